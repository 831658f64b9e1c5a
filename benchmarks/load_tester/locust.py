"""Locust and the load tester on the same schedule, against the same service, each on one core."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.load_tester.runs import GENERATOR_CORE, pinned_mock, run_load_tester
from benchmarks.load_tester.speed import closed_loop_rate
from benchmarks.report import Row
from benchmarks.service import PROJECT
from tests.load_tester.mock_service.process import Mock
from tests.load_tester.mock_service.script import Script
from tests.load_tester.mock_service.truth import Truth

CURVE: Final = ("--curve", "ramp", "--users", "50", "--duration", "40", "--spawn-rate", "5")
_SPEED_USERS: Final = 64
_SPEED_SECONDS: Final = 15
_LONGEST_S: Final = 120
_SCRIPT: Final = Script(service_s=0.05)
_FAST_SCRIPT: Final = Script(service_s=0.002)


def measure(data_dir: Path) -> list[Row]:
    """Return how exactly both keep the same curve, and how fast both are."""
    with pinned_mock(_SCRIPT) as mock:
        planned = run_load_tester(mock, data_dir, *CURVE, "--no-self-check").run.planned
        ours = _count_arrivals(mock.tell())
    with pinned_mock(_SCRIPT) as mock:
        _run_locust(mock, "load_tester/pipeline_test.py", *CURVE)
        theirs = _count_arrivals(mock.tell())
    return [
        *_tell_counts("load tester", planned, ours),
        *_tell_counts("Locust", planned, theirs),
        Row("load tester: cycles a second", f"{closed_loop_rate(data_dir):.0f}"),
        Row("Locust, its faster client: cycles a second", f"{_locust_rate(data_dir):.0f}"),
    ]


def _tell_counts(name: str, planned: Sequence[int], counted: Mapping[int, int]) -> list[Row]:
    seconds = range(max(len(planned), max(counted) + 1))
    wanted = [*planned, *[0] * (len(seconds) - len(planned))]
    wrong = [abs(counted.get(second, 0) - wanted[second]) for second in seconds]
    return [
        Row(f"{name}: images sent, of {sum(planned)} planned", str(sum(counted.values()))),
        Row(
            f"{name}: seconds whose count is exact",
            f"{sum(not error for error in wrong)} of {len(seconds)}",
        ),
        Row(f"{name}: error of the count a second", f"{sum(wrong) / sum(planned):.2%}"),
    ]


def _count_arrivals(truth: Truth) -> Counter[int]:
    """Return the uploads of each second, counted from the first."""
    first_s = min(job.began_s for job in truth.jobs)
    return Counter(int(job.began_s - first_s) for job in truth.jobs)


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
    # Its start and end are not what it can do: the middle ten seconds count.
    first_s = min(ends_s) + 2
    return sum(first_s <= end_s < first_s + 10 for end_s in ends_s) / 10


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
