"""What holds for every run, whichever command asks for it."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from load_tester.cli.target_arguments import API_KEY_VARIABLE
from load_tester.errors import ExitCode
from tests.load_tester.cli.running_script import end_of, script, started
from tests.load_tester.grayscale_service import serve_grayscale
from tests.load_tester.scripted_service import SLOW, Fate, serve

QUICK = ("--no-self-check", "--quiet")


async def test_the_key_is_not_sent_to_metrics_of_another_service(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "secret")
    async with serve(lambda _: SLOW) as service, serve_grayscale() as elsewhere:
        ended = await script(
            *("--url", service.url, "--metrics-url", f"{elsewhere.url}/metrics"),
            *("--images", photos, "--schedule", "7", *QUICK),
        )
    assert ended.code == ExitCode.OK, ended.err
    assert elsewhere.keys == {None}


@pytest.mark.parametrize(
    "mode", [("--schedule", "7"), ("--count", "7", "--concurrency", "7")], ids=["open", "closed"]
)
async def test_golden_answers_are_written_after_the_run(
    photos: Path, tmp_path: Path, mode: tuple[str, str]
) -> None:
    golden = tmp_path / "golden.json"
    (photos / "birds").mkdir()
    (photos / "drum.jpg").rename(photos / "birds" / "drum.jpg")
    async with serve(lambda _: SLOW) as service:
        asked = ("--url", service.url, "--images", photos, "--write-golden", golden)
        ended = await script(*asked, *mode, *QUICK)
    assert ended.code == ExitCode.OK, ended.err
    assert set(json.loads(golden.read_text())) == {"birds/drum.jpg", "goldfinch.JPEG", "tank.png"}
    assert "drum.jpg" in {submission.filename for submission in service.submissions}


async def test_golden_answers_that_cannot_be_written_cost_no_report(
    photos: Path, tmp_path: Path
) -> None:
    golden, out = tmp_path / "golden.json", tmp_path / "out"
    async with serve(lambda _: Fate(after_s=1.0)) as service:
        asked = ("--url", service.url, "--images", photos, "--write-golden", golden, *QUICK)
        async with started(*asked, "--schedule", "1", "--out", out) as process:
            await asyncio.wait_for(service.arrivals.get(), 20)
            golden.mkdir()
            ended = await end_of(process)
    assert ended.code == ExitCode.CANNOT_RUN
    assert "cannot write the golden answers" in ended.err
    assert "Traceback" not in ended.err
    assert (out / "report.json").exists()


async def test_an_interrupted_run_leaves_the_golden_answers_of_before(
    photos: Path, tmp_path: Path
) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text("of before")
    async with serve(lambda number: Fate(after_s=None if number else 0.0)) as service:
        asked = ("--url", service.url, "--images", photos, "--write-golden", golden, *QUICK)
        async with started(*asked, "--schedule", "9,9,9,9") as process:
            for _ in range(6):
                await asyncio.wait_for(service.arrivals.get(), 20)
            process.send_signal(signal.SIGINT)
            ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert golden.read_text() == "of before"


async def test_an_interrupted_closed_loop_tells_of_the_requests_that_were_not_taken(
    photos: Path,
) -> None:
    async with serve(lambda _: Fate(after_s=None)) as service:
        asked = ("--url", service.url, "--images", photos, "--count", "70", "--concurrency", "2")
        async with started(*asked, *QUICK) as process:
            for _ in range(2):
                await asyncio.wait_for(service.arrivals.get(), 20)
            process.send_signal(signal.SIGINT)
            ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert "70 = 2 sent + 68 not sent" in ended.out


async def test_uploads_to_a_replica_have_no_bound_unless_one_is_given(photos: Path) -> None:
    async with serve_grayscale() as service:
        asked = ("--target", "replica", "--url", service.url, "--images", photos)
        free = await script(*asked, "--schedule", "1", "--no-self-check")
        bound = await script(*asked, "--schedule", "1", "--no-self-check", "--max-workers", "3")
    assert "Max workers: no bound" in free.err
    assert "Max workers: 3" in bound.err
