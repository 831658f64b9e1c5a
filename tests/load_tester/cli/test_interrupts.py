"""Ctrl-C: the documented exit code, one clear line, and reports that add up."""

import asyncio
import json
import re
import signal
from pathlib import Path

from load_tester.errors import ExitCode
from load_tester.record import Outcome
from load_tester.report.raw import RAW_FILE, read_raw
from load_tester.run import Run
from tests.load_tester.cli.running_script import Ended, end_of, started
from tests.load_tester.scripted_service import Fate, serve

# Every third image never ends, so that some are under way whenever the signal comes.
FATES = (Fate(after_s=0.01), Fate(after_s=0.01), Fate(after_s=None))


async def interrupted(
    *arguments: str | Path, after: int, sent_signal: signal.Signals = signal.SIGINT
) -> tuple[Ended, int]:
    """Interrupt a run once `after` images have arrived; return also how many did in the end."""
    async with (
        serve(lambda number: FATES[number % 3]) as service,
        started("--url", service.url, *arguments) as process,
    ):
        for _ in range(after):
            await asyncio.wait_for(service.arrivals.get(), 20)
        process.send_signal(sent_signal)
        return await end_of(process), len(service.submissions)


def assert_adds_up(run: Run, *, arrived: int) -> None:
    assert run.interrupted
    assert len(run.records) == sum(run.planned)
    assert len({(record.index, record.attempt) for record in run.records}) == len(run.records)
    sent = [record for record in run.records if record.outcome is not Outcome.NOT_SENT]
    assert all(record.sent_s is not None for record in sent)
    assert run.uploads == len(sent)
    # A request may have been on its way when the script ended.
    assert len(sent) - 1 <= arrived <= len(sent)
    assert any(record.outcome is Outcome.OK for record in run.records)
    assert {r.reason for r in run.records if r.outcome is Outcome.NOT_SENT} <= {"interrupted"}


async def test_an_interrupted_replay_leaves_reports_that_add_up(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended, arrived = await interrupted(
        *("--schedule", "20,20,20,20,20", "--images", photos, "--out", out, "--no-self-check"),
        after=10,
    )
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert "Traceback" not in ended.err
    assert "Load test interrupted" in ended.out
    run = read_raw(out / RAW_FILE)
    assert_adds_up(run, arrived=arrived)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["interrupted"] is True
    assert report["counts"]["sent"] == run.uploads


async def test_a_terminated_closed_loop_adds_up(photos: Path) -> None:
    ended, arrived = await interrupted(
        *("--count", "500", "--concurrency", "8", "--images", photos, "--no-self-check"),
        after=10,
        sent_signal=signal.SIGTERM,
    )
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert "Traceback" not in ended.err
    assert "Load test interrupted" in ended.out
    found = re.search(r"sent +(\d+) = (\d+) ok .* (\d+) abandoned", ended.out)
    assert found is not None
    sent, ok, abandoned = map(int, found.groups())
    assert sent == ok + abandoned
    assert ok > 0
    assert abandoned > 0
    assert sent - 1 <= arrived <= sent


async def test_an_interruption_before_the_first_image_is_told(photos: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.txt"
    plan.write_text("\n".join(["0"] * 60 + ["5"]))
    async with (
        serve() as service,
        started(
            *("--url", service.url, "--images", photos, "--schedule", plan, "--no-self-check"),
        ) as process,
    ):
        assert process.stderr is not None
        while b"Second 1" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert "Traceback" not in ended.err
    assert re.search(r"scheduled +5 = 0 sent \+ 5 not sent", ended.out)


async def test_an_interrupted_search_for_the_capacity_is_told(photos: Path, tmp_path: Path) -> None:
    async with (
        serve() as service,
        started(
            *("capacity", "--slo", "p95<10s", "--low", "5", "--step-s", "5"),
            *("--url", service.url, "--images", photos, "--out", tmp_path),
        ) as process,
    ):
        for _ in range(20):
            await asyncio.wait_for(service.arrivals.get(), 20)
        process.send_signal(signal.SIGINT)
        ended = await end_of(process)
    assert ended.code == ExitCode.INTERRUPTED, ended.err
    assert "Traceback" not in ended.out + ended.err
    assert "interrupted" in (ended.out + ended.err).lower()
