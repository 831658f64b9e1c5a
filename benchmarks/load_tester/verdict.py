"""A generator that is disturbed on purpose must say so; one that is left alone must not."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load_tester.runs import GENERATOR_CORE, pinned_mock, run_load_tester
from benchmarks.report import Row, at_least, at_most
from load_tester.figures.verdict import Level, judge
from tests.load_tester.mock_service.process import Mock
from tests.load_tester.mock_service.script import Script

RUNS: Final = 20
RATE: Final = 50
SECONDS: Final = 5
_SETTLE_S: Final = 1.5
_FREEZE_S: Final = 1.0
_SCRIPT: Final = Script(service_s=0.05)


def measure_disturbed(data_dir: Path) -> list[Row]:
    """Return how many of 20 disturbed runs were flagged: half by a hog, half by a stop."""
    with _hog():
        hogged = [_judge_run(data_dir) for _ in range(RUNS // 2)]
    frozen = [_judge_run(data_dir, _freeze) for _ in range(RUNS // 2)]
    flagged = sum(level is not Level.VALID for level in hogged + frozen)
    return [
        at_least("disturbed runs that were flagged, of 20", flagged, RUNS),
        Row("  with another process on the same core", _tell(hogged)),
        Row("  stopped for a second", _tell(frozen)),
    ]


def measure_clean(data_dir: Path) -> list[Row]:
    """Return how many of 20 undisturbed runs were flagged all the same."""
    levels = [_judge_run(data_dir) for _ in range(RUNS)]
    flagged = sum(level is not Level.VALID for level in levels)
    return [
        at_most("clean runs that were flagged, of 20", flagged, 1),
        Row("  verdicts", _tell(levels)),
    ]


def _judge_run(data_dir: Path, disturb: Callable[[Mock, int], None] | None = None) -> Level:
    with pinned_mock(_SCRIPT) as mock:
        finished = run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * SECONDS), "--no-self-check",
            meanwhile=None if disturb is None else lambda pid: disturb(mock, pid),
        )  # fmt: skip
    return judge(finished.run).level


def _freeze(mock: Mock, pid: int) -> None:
    """Stop the load tester for a second in the middle of its run."""
    while not mock.tell().jobs:
        time.sleep(0.05)
    time.sleep(_SETTLE_S)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(_FREEZE_S)
    os.kill(pid, signal.SIGCONT)


@contextmanager
def _hog() -> Iterator[None]:
    """Keep the load tester's core busy with something else."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(process.pid, {GENERATOR_CORE})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _tell(levels: list[Level]) -> str:
    return ", ".join(f"{count} {level}" for level, count in sorted(Counter(levels).items()))
