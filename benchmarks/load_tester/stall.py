"""A service that stops dead for two seconds: does the load tester tell it as users feel it?

Of 30 images a second over 60 s, 60 meet the stop; the 18 slowest of 1,800, which the 99th
percentile is about, wait for 1.40 s and more.
"""

from pathlib import Path
from typing import Final

from benchmarks.load_tester.runs import Finished, percentile, pinned_mock, run_load_tester
from benchmarks.report import Row
from tests.load_tester.mock_service.script import Script

RATE: Final = 30
SECONDS: Final = 60
SERVICE_S: Final = 0.05
STALL_S: Final = 2.0
TOLERANCE: Final = 0.05
_SCRIPT: Final = Script(service_s=SERVICE_S, freeze_after_s=20.5, freeze_s=STALL_S)


def expected_p99_s() -> float:
    """Return the 99th percentile that such a stop must show, in seconds."""
    slowest = RATE * SECONDS * 0.01
    return STALL_S - slowest / RATE + SERVICE_S


def measure(data_dir: Path) -> list[Row]:
    """Return the 99th percentile as reported, with sends held back and without."""
    rows = []
    for name, workers in (("uploads unlimited", 0), ("4 uploads at once", 4)):
        finished = _run(data_dir, workers)
        rows += _judge(name, finished)
    return rows


def _run(data_dir: Path, workers: int) -> Finished:
    with pinned_mock(_SCRIPT) as mock:
        return run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * SECONDS), "--no-self-check",
            "--max-workers", str(workers),
        )  # fmt: skip


def _judge(name: str, finished: Finished) -> list[Row]:
    records = finished.run.records
    corrected = percentile([r.end_to_end_s for r in records if r.end_to_end_s is not None], 99)
    uncorrected = percentile([r.from_send_s for r in records if r.from_send_s is not None], 99)
    target = expected_p99_s()
    return [
        Row(
            f"{name}: p99 from the intended send",
            f"{corrected:.3f} s",
            f"{target:.2f} s ±5 %",
            abs(corrected / target - 1) <= TOLERANCE,
        ),
        Row(f"{name}: p99 from the actual send (uncorrected)", f"{uncorrected:.3f} s"),
    ]
