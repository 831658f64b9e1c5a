"""The latency spectrum: every percentile that the samples can tell, from the least up. Pure.

Plotted over the number of nines, as Gil Tene's HdrHistogram plots do, so that the tail is as wide
as the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from load_tester.figures.latency import samples_needed, tell_percentiles
from load_tester.figures.window import measured_records
from load_tester.record import Outcome
from load_tester.run import Mode, Run

STEPS_PER_NINE: Final = 20
MOST_NINES: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class SpectrumPoint:
    """One percentile; `nines` is 1 for p90, 2 for p99, 3 for p99.9."""

    nines: float
    percentile: float
    corrected_s: float | None
    """From the intended send; None in a closed loop, which intends none."""
    uncorrected_s: float | None
    """From the actual send."""


def measure_spectrum(run: Run) -> list[SpectrumPoint]:
    """Return the spectrum of the images that ended ok after the warm-up, in order."""
    done = [record for record in measured_records(run) if record.outcome is Outcome.OK]
    corrected = [value for record in done if (value := record.end_to_end_s) is not None]
    uncorrected = [value for record in done if (value := record.from_send_s) is not None]
    told = [
        (nines, percentile)
        for nines, percentile in _list_percentiles()
        if samples_needed(percentile) <= max(len(corrected), len(uncorrected))
    ]
    percentiles = [percentile for _, percentile in told]
    open_loop = run.asked.mode is Mode.OPEN
    columns = zip(
        told,
        _tell(corrected if open_loop else [], percentiles),
        _tell(uncorrected, percentiles),
        strict=True,
    )
    return [
        SpectrumPoint(nines=nines, percentile=percentile, corrected_s=a, uncorrected_s=b)
        for (nines, percentile), a, b in columns
    ]


def _list_percentiles() -> list[tuple[float, float]]:
    steps = range(1, STEPS_PER_NINE * MOST_NINES + 1)
    nines = [step / STEPS_PER_NINE for step in steps]
    return [(nine, 100 * (1 - 10**-nine)) for nine in nines]


def _tell(durations_s: Sequence[float], percentiles: Sequence[float]) -> Sequence[float | None]:
    if not durations_s:
        return [None] * len(percentiles)
    return tell_percentiles(durations_s, percentiles)
