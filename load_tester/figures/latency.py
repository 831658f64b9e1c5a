"""Percentiles that are only told when there are enough samples to know them. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

QUANTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
# With this chance at least one sample lies beyond the percentile: 90 samples for p95, 459 for
# p99, 4603 for p99.9.
CONFIDENCE = 0.99

_LOWEST_US = 1
_HIGHEST_US = 86_400 * 1_000_000 * 2
_SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How one duration is spread, in seconds; None where there are too few samples to tell."""

    count: int
    p50_s: float | None
    p90_s: float | None
    p95_s: float | None
    p99_s: float | None
    p999_s: float | None
    max_s: float | None


def measure_spread(durations_s: Iterable[float | None]) -> Spread:
    """Return the spread of the durations that are known, in seconds; the maximum is exact."""
    known = [value for value in durations_s if value is not None]
    p50, p90, p95, p99, p999 = tell_percentiles(known, QUANTILES)
    return Spread(
        count=len(known),
        p50_s=p50,
        p90_s=p90,
        p95_s=p95,
        p99_s=p99,
        p999_s=p999,
        max_s=max(map(_from_zero, known), default=None),
    )


def tell_percentiles(
    durations_s: Sequence[float], quantiles: Sequence[float]
) -> tuple[float | None, ...]:
    """Return percentiles (0 to 100, both excluded), in seconds, None where samples are too few.

    They come from an HdrHistogram in microseconds (three digits).
    """
    needed = [samples_needed(quantile) for quantile in quantiles]
    if len(durations_s) < min(needed, default=0) or not durations_s:
        return (None,) * len(needed)
    histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _SIGNIFICANT_DIGITS)
    for value in durations_s:
        histogram.record_value(min(round(_from_zero(value) * 1e6), _HIGHEST_US))
    longest_s = max(map(_from_zero, durations_s))
    return tuple(
        # The histogram answers with the top of a bucket, which may lie above the longest sample.
        min(histogram.get_value_at_percentile(quantile) / 1e6, longest_s)
        if len(durations_s) >= enough
        else None
        for quantile, enough in zip(quantiles, needed, strict=True)
    )


def samples_needed(quantile: float) -> int:
    """Return how many samples a percentile (0 to 100, both excluded) needs to be told."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(quantile / 100))


def _from_zero(duration_s: float) -> float:
    return max(0.0, duration_s)
