"""Locust and the load tester on the same schedule, against the same service, each on one core."""

import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load_tester.runs import GENERATOR_CORE, pinned_mock, run_load_tester
from benchmarks.load_tester.speed import TURNS, closed_loop_rate
from benchmarks.report import Row
from benchmarks.service import PROJECT
from tests.load_tester.mock_service.process import Mock
from tests.load_tester.mock_service.script import Script
from tests.load_tester.mock_service.truth import Truth

CURVE: Final = ("--curve", "ramp", "--users", "50", "--duration", "40", "--spawn-rate", "5")
_SPEED_USERS: Final = 64
_SPEED_SECONDS: Final = 10
_COUNTED_S: Final = 6
_LONGEST_S: Final = 120
_SCRIPT: Final = Script(service_s=0.05)
_FAST_SCRIPT: Final = Script(service_s=0.002)


def measure(data_dir: Path) -> list[Row]:
    """Return how exactly both keep the same curve, and how fast both are."""
    with pinned_mock(_SCRIPT) as mock:
        planned = run_load_tester(mock, data_dir, *CURVE, "--no-self-check").run.planned
        ours = mock.tell()
    with pinned_mock(_SCRIPT) as mock:
        _run_locust(mock, "load_tester/pipeline_test.py", *CURVE)
        theirs = mock.tell()
    rates = [(closed_loop_rate(data_dir), _locust_rate(data_dir)) for _ in range(TURNS)]
    # What else the machine does only ever slows a turn.
    our_rate, their_rate = (max(turns) for turns in zip(*rates, strict=True))
    return [
        *_tell_counts("load tester", planned, ours),
        *_tell_counts("Locust", planned, theirs),
        Row("load tester: cycles a second, best of 3", f"{our_rate:.0f}"),
        Row("Locust, its faster client: cycles a second, best of 3", f"{their_rate:.0f}"),
    ]


def _tell_counts(name: str, planned: Sequence[int], truth: Truth) -> list[Row]:
    wrong = min(_find_errors(planned, truth, shift_s=shift / 100) for shift in range(-50, 51))
    return [
        Row(f"{name}: images sent, of {sum(planned)} planned", str(len(truth.jobs))),
        Row(f"{name}: seconds whose count is exact", f"{wrong.exact} of {wrong.seconds}"),
        Row(f"{name}: error of the count a second", f"{wrong.images / sum(planned):.2%}"),
    ]


@dataclass(frozen=True, order=True, slots=True)
class _Errors:
    """By how many images the seconds of a run are wrong, and how many are not."""

    images: int
    exact: int
    seconds: int


def _find_errors(planned: Sequence[int], truth: Truth, *, shift_s: float) -> _Errors:
    """Compare the uploads of each second with the plan, the plan beginning at `shift_s`.

    That is counted from the first upload, for nobody but the load tester itself knows when it
    began; so each is seen in the light that is best for it.
    """
    begins_s = min(job.began_s for job in truth.jobs) + shift_s
    counts = Counter(math.floor(job.began_s - begins_s) for job in truth.jobs)
    seconds = range(min(0, *counts), max(len(planned), max(counts) + 1))
    wanted = dict(enumerate(planned))
    wrong = [abs(counts[second] - wanted.get(second, 0)) for second in seconds]
    return _Errors(images=sum(wrong), exact=wrong.count(0), seconds=len(seconds))


def _locust_rate(data_dir: Path) -> float:
    """Return the submit and poll cycles a second of users who never pause."""
    image = next((data_dir / "images").glob("*.jpg"))
    with pinned_mock(_FAST_SCRIPT) as mock:
        _run_locust(
            mock, "benchmarks/load_tester/locust_users.py",
            "--users", str(_SPEED_USERS), "--spawn-rate", str(_SPEED_USERS),
            "--run-time", f"{_SPEED_SECONDS}s", image=image,
        )  # fmt: skip
        ends_s = [job.done_s for job in mock.tell().jobs if job.looks and job.done_s is not None]
    # Its start and end are not what it can do: the middle counts.
    first_s = min(ends_s) + 2
    return sum(first_s <= end_s < first_s + _COUNTED_S for end_s in ends_s) / _COUNTED_S


def _run_locust(mock: Mock, users: str, *flags: str, image: Path | None = None) -> None:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "locust", "-f", users,
                "--headless", "--only-summary", "--host", mock.url, *flags,
            ],
            cwd=PROJECT, stdout=log, stderr=log,
            env=os.environ | ({} if image is None else {"IMAGE": str(image)}),
        )  # fmt: skip
        os.sched_setaffinity(process.pid, {GENERATOR_CORE})
        try:
            process.wait(timeout=_LONGEST_S)
        finally:
            process.kill()
            process.wait()
        if not mock.tell().jobs:
            log.seek(0)
            raise SystemExit(f"Locust sent nothing: {log.read()[-2000:]}")
