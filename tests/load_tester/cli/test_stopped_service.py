"""A service that is killed in the middle of a run: the run goes on, and says what became of it."""

import asyncio
import json
import re
from pathlib import Path

from load_tester.errors import ExitCode
from load_tester.record import Outcome
from load_tester.report.raw import RAW_FILE, read_raw
from tests.load_tester.cli.running_script import Ended, end_of, started
from tests.load_tester.mock_service.process import Mock, running_mock, write_images
from tests.load_tester.mock_service.script import Script


async def kill_after(mock: Mock, uploads: int) -> None:
    """Kill the service as soon as it has taken so many."""
    async with asyncio.timeout(20):
        while len((await asyncio.to_thread(mock.tell)).jobs) < uploads:
            pass
    mock.kill()


async def stopped(*mode: str, images: Path) -> tuple[Ended, str]:
    """Return what a run leaves whose service is killed, and the URL of the service."""
    write_images(images, count=5, size_bytes=20_000)
    with running_mock(Script(service_s=0.05)) as mock:
        async with started(
            *mode, "--url", mock.url, "--images", images, "--no-self-check", "--timeout", "1"
        ) as process:
            await kill_after(mock, 15)
            return await end_of(process), mock.url


def assert_told(ended: Ended, *, url: str) -> None:
    assert ended.code in {ExitCode.OK, ExitCode.GENERATOR_INVALID}
    (told,) = ended.complaints()
    assert f"{url} does not answer any more" in told


async def test_a_service_that_is_killed_leaves_a_report_that_adds_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended, url = await stopped("--schedule", "30,30", "--out", str(out), images=tmp_path / "images")
    assert_told(ended, url=url)
    run = read_raw(out / RAW_FILE)
    assert not run.interrupted
    assert len(run.records) == sum(run.planned) == 60
    outcomes = {record.outcome for record in run.records}
    assert outcomes <= {Outcome.OK, Outcome.FAILED, Outcome.TIMED_OUT}
    assert {Outcome.OK, Outcome.FAILED} <= outcomes
    assert {r.reason for r in run.records if r.outcome is Outcome.FAILED} == {"connection"}
    counts = json.loads((out / "report.json").read_text(encoding="utf-8"))["counts"]
    assert counts["sent"] == run.uploads == 60


async def test_a_service_that_is_killed_is_told_by_a_closed_loop_too(tmp_path: Path) -> None:
    ended, url = await stopped(
        "--count", "60", "--concurrency", "3", "--retries", "0", images=tmp_path / "images"
    )
    assert_told(ended, url=url)
    assert re.search(r"scheduled +60 = 60 sent \+ 0 not sent", ended.out)
    assert re.search(r"[1-9]\d* x failed:connection", ended.out)
