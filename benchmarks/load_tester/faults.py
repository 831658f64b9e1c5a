"""Faults that the service makes on purpose: is every one of them counted, and nothing else?"""

from pathlib import Path
from typing import Final

from benchmarks.load_tester.runs import pinned_mock, run_load_tester
from benchmarks.report import Row
from load_tester.errors import ExitCode
from tests.load_tester.mock_service.pairs import count_reported
from tests.load_tester.mock_service.script import Script
from tests.load_tester.mock_service.truth import Fault

RATE: Final = 300
SECONDS: Final = 20
_SCRIPT: Final = Script(
    service_s=0.02, spread=0.5, errors=0.05, wrong_labels=0.02, lost=0.01, twice=0.01
)


def measure(data_dir: Path) -> list[Row]:
    """Return how many of each fault were made, and how many were counted."""
    with pinned_mock(_SCRIPT) as mock:
        finished = run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * SECONDS), "--no-self-check",
            "--check", "labels",
        )  # fmt: skip
        made = mock.tell().faults()
    counted = count_reported(finished.run.records)
    rows = [
        Row(
            f"{fault.value}: counted", str(counted[fault]), f"= {made[fault]}",
            counted[fault] == made[fault],
        )
        for fault in Fault
    ]  # fmt: skip
    right_code = finished.code == ExitCode.WRONG_ANSWERS
    return [*rows, Row("exit code", str(finished.code), "= 4", right_code)]
