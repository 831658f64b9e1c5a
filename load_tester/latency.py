"""Percentiles that are only told when there are enough samples to know them. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

QUANTILES = (50.0, 90.0, 95.0, 99.0)
# With this chance at least one sample lies beyond the percentile: 90 samples for p95, 459 for p99.
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
    max_s: float | None


def measure_spread(durations_s: Iterable[float | None]) -> Spread:
    """Return the spread of the durations that are known, in seconds.

    Percentiles come from an HdrHistogram in microseconds (three digits); the maximum is exact.
    """
    known = [max(0.0, value) for value in durations_s if value is not None]
    histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _SIGNIFICANT_DIGITS)
    for value in known:
        histogram.record_value(min(round(value * 1e6), _HIGHEST_US))
    longest_s = max(known, default=None)

    def percentile(quantile: float) -> float | None:
        if longest_s is None or len(known) < samples_needed(quantile):
            return None
        # The histogram answers with the top of a bucket, which may lie above the longest sample.
        told_us: int = histogram.get_value_at_percentile(quantile)
        return min(told_us / 1e6, longest_s)

    p50, p90, p95, p99 = map(percentile, QUANTILES)
    return Spread(count=len(known), p50_s=p50, p90_s=p90, p95_s=p95, p99_s=p99, max_s=longest_s)


def samples_needed(quantile: float) -> int:
    """Return how many samples a percentile (0 to 100, both excluded) needs to be told."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(quantile / 100))
