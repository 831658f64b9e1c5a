"""The load tester as its user starts it: a script, its output and its exit code."""

import asyncio
import json
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from load_tester.cli import _labels_or_none, choose_exit_code, main
from load_tester.errors import ExitCode
from load_tester.record import Outcome
from load_tester.summary import Summary, summarize
from tests.load_tester.records import make_record
from tests.load_tester.scripted_service import Fate, serve

SCRIPT = Path(__file__).resolve().parents[2] / "load_tester" / "load_tester.py"


@dataclass(frozen=True)
class Ended:
    code: int | None
    out: str
    err: str


@asynccontextmanager
async def started(*arguments: str | Path) -> AsyncIterator[Process]:
    command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd="/")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def end_of(process: Process) -> Ended:
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return Ended(process.returncode, out.decode(), err.decode())


async def script(*arguments: str | Path) -> Ended:
    async with started(*arguments) as process:
        return await end_of(process)


def counts_in(text: str) -> dict[str, int]:
    """The counts of a printed summary, its sums checked by hand."""
    first = re.search(r"scheduled +(\d+) = (\d+) sent \+ (\d+) not sent", text)
    assert first is not None
    scheduled, sent, not_sent = map(int, first.groups())
    second = re.search(r"sent +(\d+) = (.*)", text)
    assert second is not None
    parts = {name: int(n) for n, name in re.findall(r"(\d+) ([a-z ]+?)(?: \+|$)", second[2])}
    assert scheduled == sent + not_sent
    assert sent == int(second[1]) == sum(parts.values())
    return parts | {"scheduled": scheduled, "sent": sent, "not_sent": not_sent}


async def test_a_run_logs_sums_up_and_leaves_its_report(photos: Path, tmp_path: Path) -> None:
    (photos / "labels.tsv").write_text(
        "file\tclass_index\tlabel\ngoldfinch.JPEG\t11\tgoldfinch\ntank.png\t847\ttank\n"
    )
    fates: dict[int, Fate] = {2: Fate(submit_status=503), 3: Fate(submit_status=200, after_s=0)}
    out = tmp_path / "new" / "folder"
    async with serve(lambda number: fates.get(number, Fate())) as service:
        ended = await script(
            "--url", service.url, "--images", photos, "--schedule", "3,9", "--out", out
        )
    assert ended.code == ExitCode.OK
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - "
    lines = ended.err.splitlines()
    assert all(re.match(stamp, line) for line in lines), ended.err
    assert [line.partition(" - INFO - ")[2] for line in lines] == [
        "Found 3 image files",
        "Starting load test - Images per second schedule: [3, 9]",
        "Max workers: 50",
        "Second 1: Sending 3 images",
        "Second 2: Sending 9 images",
    ]
    counts = counts_in(ended.out)
    assert (counts["scheduled"], counts["ok"], counts["refused"]) == (12, 11, 1)
    assert "top-1 accuracy" in ended.out
    report = json.loads((out / "report.json").read_text())
    assert report["counts"]["ok"] == 11
    assert report["cache"] == {"hits": 1, "coalesced": 0}
    assert report["reasons"] == {"refused:http_503": 1}
    assert report["accuracy"]["labelled"] > report["accuracy"]["correct"]
    assert report["run"]["url"] == service.url
    assert len((out / "raw.jsonl").read_text().splitlines()) == 13


@pytest.mark.parametrize("sent_signal", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_run_still_adds_up(
    photos: Path, tmp_path: Path, sent_signal: signal.Signals
) -> None:
    def never(number: int) -> Fate:
        return Fate(after_s=None if number % 2 else 0.01)

    async with (
        serve(never) as service,
        started(
            *("--url", service.url, "--images", photos, "--schedule", "20,20,20,20"),
            *("--out", tmp_path / "out"),
        ) as process,
    ):
        for _ in range(25):
            await service.arrivals.get()
        process.send_signal(sent_signal)
        ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED
    assert "Load test interrupted" in ended.out
    assert "Traceback" not in ended.err
    counts = counts_in(ended.out)
    assert counts["scheduled"] == 80
    assert counts["sent"] == len(service.submissions)
    assert counts["abandoned"] >= 10
    assert counts["ok"] + counts["abandoned"] == counts["sent"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["interrupted"] is True
    assert report["counts"]["sent"] == counts["sent"]
    assert len((tmp_path / "out" / "raw.jsonl").read_text().splitlines()) == 81


async def test_wrong_answers_end_with_4(photos: Path) -> None:
    async with serve(lambda _: Fate(changes={"request_id": "another"})) as service:
        ended = await script("--url", service.url, "--images", photos, "--schedule", "1")
    assert ended.code == ExitCode.WRONG_ANSWERS
    assert counts_in(ended.out)["wrong"] == 1


async def test_a_service_that_dies_under_way_is_told(photos: Path) -> None:
    async with serve(lambda _: Fate(cut=True)) as service:
        ended = await script("--url", service.url, "--images", photos, "--schedule", "1")
    assert ended.code == ExitCode.CANNOT_RUN
    assert counts_in(ended.out)["failed"] == 1
    assert "not one upload was answered" in ended.err


def test_a_service_that_is_not_there_is_told_in_one_line(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert main(["--url", url, "--images", str(photos)]) == ExitCode.CANNOT_RUN
    out, err = capfd.readouterr()
    assert out == ""
    assert "Found 3 image files" in err.splitlines()[0]
    assert err.splitlines()[1].startswith(f"load_tester: service unreachable at {url}: ")
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--images /nowhere/at/all", "no such folder: /nowhere/at/all"),
        ("--schedule 4,x", "neither a list nor a file: '4,x'"),
        ("--schedule 4,1.5", "schedule entry 2 is not a whole number from 0 up: 1.5"),
        ("--url http://u:p@h", "a URL with a user name or password is refused"),
        ("--url http://..:80", "service unreachable at http://..:80"),
        ("--max-workers", "argument --max-workers: expected one argument"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(
    photos: Path, capfd: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert main(["--images", str(photos), *arguments.split()]) == ExitCode.CANNOT_RUN
    out, err = capfd.readouterr()
    told = [line for line in err.splitlines() if "INFO" not in line]
    assert out == ""
    assert len(told) == 1
    assert told[0].startswith("load_tester: ")
    assert message in told[0]


def test_an_empty_folder_and_a_bad_report_folder_are_told(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["--images", str(tmp_path / "empty")]) == ExitCode.CANNOT_RUN
    assert "no images found in" in capfd.readouterr().err
    occupied = photos / "tank.png"
    assert main(["--images", str(photos), "--out", str(occupied)]) == ExitCode.CANNOT_RUN
    assert "cannot write to the folder" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "scheduled", "interrupted", "code"),
    [
        (Outcome.OK, 1, False, ExitCode.OK),
        (Outcome.REFUSED, 1, False, ExitCode.OK),
        (Outcome.OK, 1, True, ExitCode.INTERRUPTED),
        (Outcome.WRONG, 1, True, ExitCode.WRONG_ANSWERS),
        (Outcome.WRONG, 2, True, ExitCode.COUNTS_DIFFER),
    ],
)
def test_the_exit_code_tells_the_gravest(
    outcome: Outcome, scheduled: int, interrupted: bool, code: ExitCode
) -> None:
    summary: Summary = summarize(
        [make_record(0, outcome)],
        scheduled=scheduled,
        sent=1,
        labels={},
        interrupted=interrupted,
    )
    assert choose_exit_code(summary) is code


def test_a_table_of_labels_that_cannot_be_read_costs_only_the_accuracy(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "labels.tsv").write_text("what is this")
    assert _labels_or_none(photos) == {}
    assert "No accuracy" in caplog.text
