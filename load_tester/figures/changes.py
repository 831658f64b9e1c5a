"""How much a figure changed from one series to another, and how far chance may have moved it. Pure.

Series are in the order of time; NaN stands where an element has no value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from load_tester.figures.resampling import (
    Blocks,
    Counts,
    Floats,
    choose_blocks,
    cut,
    draw_weights,
    resample_means,
    resample_quantiles,
)

REPLICATES = 1000
_SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change on the scale on which chance moves it: a logarithm for ratios."""

    point: float
    error: float
    """Its standard error."""
    freedom: int
    """Degrees of freedom: how many independent stretches of the runs stand behind it."""

    def interval(self, *, confidence: float) -> tuple[float, float]:
        """Return the bounds that hold the true change with this confidence (Student's t)."""
        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error
        return self.point - half, self.point + half


def compare_quantiles(
    first: Floats,
    second: Floats,
    quantiles: Sequence[float],
    *,
    is_paired: bool,
    rng: np.random.Generator,
) -> list[Change]:
    """Return the change of the logarithm of each quantile (0 to 1) of positive values.

    Paired series have the same length and were asked for by the same plan. The same stretches
    are then drawn from both, because what the plan does to both, such as a rising rate, is no
    chance.
    """
    logs = [np.log(np.maximum(side, _SMALLEST)) for side in (first, second)]
    count = choose_blocks([logs[1] - logs[0]] if is_paired else logs)
    sides = [cut(side, count) for side in logs]
    weights = [draw_weights(count, replicates=REPLICATES, rng=rng) for _ in sides]
    if is_paired:
        weights[1] = weights[0]
    drawn = [
        resample_quantiles(side, times, quantiles)
        for side, times in zip(sides, weights, strict=True)
    ]
    points = [_measure_once(side, quantiles) for side in sides]
    freedom = (count - 1) * (1 if is_paired else 2)
    errors = _standard_error(drawn[1] - drawn[0], count)
    return [
        Change(point=float(point), error=float(error), freedom=freedom)
        for point, error in zip(points[1] - points[0], errors, strict=True)
    ]


def compare_shares(first: Floats, second: Floats, *, rng: np.random.Generator) -> Change:
    """Return the difference of the shares of ones in series of zeros and ones.

    Few ones tell too little of their own chance, none at all nothing. The standard error is
    therefore never below that of independent images with one more of either kind (the interval of
    Agresti and Caffo 2000).
    """
    drawn, count = _resample_both(first, second, rng)
    error = _standard_error(drawn[1] - drawn[0], count)
    least = 0.0
    for side in (first, second):
        share = (float(np.sum(side)) + 1) / (len(side) + 2)
        least += share * (1 - share) / (len(side) + 2)
    return Change(
        point=float(np.mean(second) - np.mean(first)),
        error=max(float(error), math.sqrt(least)),
        freedom=2 * (count - 1),
    )


def compare_rates(first_gaps: Floats, second_gaps: Floats, *, rng: np.random.Generator) -> Change:
    """Return the change of the logarithm of a rate, from the gaps between what is counted."""
    drawn, count = _resample_both(first_gaps, second_gaps, rng)
    logs = np.log(np.maximum(drawn, _SMALLEST))
    means = [max(float(np.mean(gaps)), _SMALLEST) for gaps in (first_gaps, second_gaps)]
    return Change(
        point=float(np.log(means[0] / means[1])),
        error=float(_standard_error(logs[0] - logs[1], count)),
        freedom=2 * (count - 1),
    )


def _resample_both(
    first: Floats, second: Floats, rng: np.random.Generator
) -> tuple[list[Floats], int]:
    count = choose_blocks([first, second])
    drawn = [
        resample_means(cut(side, count), draw_weights(count, replicates=REPLICATES, rng=rng))
        for side in (first, second)
    ]
    return drawn, count


def _measure_once(blocks: Blocks, quantiles: Sequence[float]) -> Floats:
    everything: Counts = np.ones((1, blocks.count), dtype=np.int64)
    once: Floats = resample_quantiles(blocks, everything, quantiles)[0]
    return once


def _standard_error(replicates: Floats, blocks: int) -> Floats:
    """Return the spread of the replicates; few stretches vary too little, by n - 1 over n."""
    spread: Floats = np.nanstd(replicates, axis=0) * math.sqrt(blocks / (blocks - 1))
    return spread
