"""A generator that is disturbed on purpose must say so; one that is left alone must not."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.load_tester.runs import GENERATOR_CORE, pinned_mock, run_load_tester
from benchmarks.report import Row, at_least, at_most
from load_tester.figures.verdict import Level, judge
from tests.load_tester.mock_service.process import Mock
from tests.load_tester.mock_service.script import Script

RUNS: Final = 20
RATE: Final = 50
SECONDS: Final = 5
MOST_RUNS: Final = 60
ALONE: Final = 0.03
"""What the system itself does on a core now and then, as a part of the time."""
_SETTLE_S: Final = 1.5
_FREEZE_S: Final = 1.0
_SCRIPT: Final = Script(service_s=0.05)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What one run said of itself, and whether it was left alone."""

    level: Level
    resources: tuple[str, ...]
    """What it says was short."""
    others: float
    """What everybody else used of the load tester's core, as a part of the time."""


def measure_disturbed(data_dir: Path) -> list[Row]:
    """Return how many of 20 disturbed runs were flagged: half by a hog, half by a stop."""
    with _hog():
        hogged = [_judge_run(data_dir) for _ in range(RUNS // 2)]
    frozen = [_judge_run(data_dir, _freeze) for _ in range(RUNS // 2)]
    return [
        at_least("disturbed runs that were flagged, of 20", _count_flagged(hogged + frozen), RUNS),
        *_tell("with another process on the same core", hogged),
        *_tell("stopped for a second", frozen),
    ]


def measure_clean(data_dir: Path) -> list[Row]:
    """Return how many of 20 undisturbed runs were flagged all the same.

    A run during which others used the load tester's core was disturbed, if not on purpose: it is
    made again.
    """
    clean: list[Judged] = []
    disturbed: list[Judged] = []
    while len(clean) < RUNS and len(clean) + len(disturbed) < MOST_RUNS:
        judged = _judge_run(data_dir)
        (clean if judged.others <= ALONE else disturbed).append(judged)
    if len(clean) < RUNS:
        return [Row("clean runs: this machine is too busy to tell", f"{len(clean)}", "= 20", False)]
    return [
        at_most("clean runs that were flagged, of 20", _count_flagged(clean), 1),
        *_tell("clean", clean),
        *_tell("disturbed by others, and made again", disturbed),
    ]


def _count_flagged(runs: list[Judged]) -> int:
    return sum(run.level is not Level.VALID for run in runs)


def _judge_run(data_dir: Path, disturb: Callable[[Mock, int], None] | None = None) -> Judged:
    began_s, busy_s = time.monotonic(), _core_busy_s()
    with pinned_mock(_SCRIPT) as mock:
        finished = run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * SECONDS), "--no-self-check",
            meanwhile=None if disturb is None else lambda pid: disturb(mock, pid),
        )  # fmt: skip
    others_s = _core_busy_s() - busy_s - finished.cpu_s
    verdict = judge(finished.run)
    return Judged(
        level=verdict.level,
        resources=tuple(sorted({reason.resource.value for reason in verdict.reasons})),
        others=max(0.0, others_s) / (time.monotonic() - began_s),
    )


def _core_busy_s() -> float:
    """Return how long the load tester's core has worked since the machine started, in seconds."""
    times = psutil.cpu_times(percpu=True)[GENERATOR_CORE]
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


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


def _tell(name: str, runs: list[Judged]) -> list[Row]:
    counts = Counter((run.level.value, ", ".join(run.resources)) for run in runs)
    return [
        Row(f"  {name}: {level}{f' ({resources})' if resources else ''}", str(count))
        for (level, resources), count in sorted(counts.items())
    ]
