"""How far from the truth is the moment at which a result is said to have been there?"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks.load_tester.runs import percentile, pinned_mock, run_load_tester
from benchmarks.report import Row, at_most
from tests.load_tester.mock_service.pairs import find_origin_s, pair_up
from tests.load_tester.mock_service.script import Script

RATE: Final = 100
SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of service."""

    name: str
    script: Script
    has_target: bool = True


CASES: Final = (
    Case("long-poll", Script(service_s=0.05, spread=0.5)),
    Case("no long-poll, always 50 ms", Script(service_s=0.05, hold=False)),
    Case("no long-poll, lognormal", Script(service_s=0.05, spread=0.5, hold=False), False),
)


def measure(data_dir: Path) -> list[Row]:
    """Return errors of detection, and what they cost in requests."""
    return [row for case in CASES for row in _measure_case(case, data_dir)]


def _measure_case(case: Case, data_dir: Path) -> list[Row]:
    with pinned_mock(case.script) as mock:
        finished = run_load_tester(
            mock, data_dir, "--schedule", ",".join([str(RATE)] * SECONDS), "--no-self-check"
        )
        pairs = pair_up(finished.run, mock.tell())
    origin_s = find_origin_s(pairs)
    errors_ms = [
        abs(pair.told.seen_s + origin_s - pair.true.done_s) * 1000
        for pair in pairs
        if pair.told.seen_s is not None and pair.true.done_s is not None
    ]
    looks = fmean(pair.true.looks for pair in pairs)
    figures = (
        ("|reported - true| mean", fmean(errors_ms), 2.0, " ms"),
        ("|reported - true| p99", percentile(errors_ms, 99), 5.0, " ms"),
        ("GETs an image, as the service counted them", looks, 3.0, ""),
    )
    return [
        at_most(f"{case.name}: {name}", value, target, unit=unit)
        if case.has_target
        else Row(f"{case.name}: {name}", f"{value:.2f}{unit}")
        for name, value, target, unit in figures
    ]
