"""A replay as its user starts it: what it logs, sums up and leaves behind."""

import json
import re
from pathlib import Path

from load_tester.errors import ExitCode
from tests.load_tester.cli.running_script import script
from tests.load_tester.cli.whole_run import run_whole
from tests.load_tester.mock_service.process import running_mock
from tests.load_tester.mock_service.script import Script
from tests.load_tester.scripted_service import Fate, serve

QUICK = ("--no-self-check",)


async def test_a_run_logs_sums_up_and_leaves_its_report(photos: Path, tmp_path: Path) -> None:
    (photos / "labels.tsv").write_text(
        "file\tclass_index\tlabel\ngoldfinch.JPEG\t11\tgoldfinch\ntank.png\t847\ttank\n"
    )
    fates: dict[int, Fate] = {2: Fate(submit_status=503), 3: Fate(submit_status=200, after_s=0)}
    out = tmp_path / "new" / "folder"
    async with serve(lambda number: fates.get(number, Fate())) as service:
        ended = await script(
            *("--url", service.url, "--images", photos, "--schedule", "3,9", "--out", out), *QUICK
        )
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
    assert "sent              12 = 11 ok + 1 refused" in ended.out
    assert "top-1 accuracy" in ended.out
    report = json.loads((out / "report.json").read_text())
    assert report["counts"]["ok"] == 11
    assert report["cache"] == {"hits": 1, "coalesced": 0}
    assert report["reasons"] == {"refused:http_503": 1}
    assert report["accuracy"]["labelled"] > report["accuracy"]["correct"]
    assert report["run"]["targets"] == [service.url]
    assert {path.name for path in out.iterdir()} >= {
        *("raw.jsonl", "report.json", "report.html", "seconds.csv", "images.csv")
    }


async def test_wrong_answers_end_with_4(photos: Path) -> None:
    async with serve(lambda _: Fate(changes={"request_id": "another"})) as service:
        ended = await script(*("--url", service.url, "--images", photos, "--schedule", "1"), *QUICK)
    assert ended.code == ExitCode.WRONG_ANSWERS
    assert "1 x wrong:result_of_another_request" in ended.out


def test_the_generator_is_measured_before_the_run(photos: Path) -> None:
    with running_mock(Script(service_s=0.01)) as mock:
        run = run_whole("--url", mock.url, "--images", photos, "--schedule", "1")
        assert len(mock.tell().jobs) == 1
    assert run.ceiling is not None
    assert run.ceiling.cycles_per_s > 1


async def test_a_table_of_labels_that_cannot_be_read_costs_only_the_accuracy(photos: Path) -> None:
    (photos / "labels.tsv").write_text("what is this")
    async with serve() as service:
        ended = await script(*("--url", service.url, "--images", photos, "--schedule", "1"), *QUICK)
    assert "sent              1 = 1 ok" in ended.out
    assert "WARNING - No accuracy" in ended.err


async def test_one_image_can_be_given_without_a_flag(photos: Path) -> None:
    async with serve() as service:
        ended = await script(
            photos / "drum.jpg", *("--url", service.url, "--schedule", "2"), *QUICK
        )
    assert "Found 1 image files" in ended.err
    assert [submission.filename for submission in service.submissions] == ["drum.jpg"] * 2
