"""Block bootstrap: how far a figure would move if a run were made again. Pure.

Latencies of neighbouring images are alike: a queue that is long now is still long for the next.
Resampling single images would take them for independent and tell differences that are none. So
whole stretches of a run are drawn, each several times as long as the likeness lasts (the
non-overlapping block bootstrap of Carlstein 1986). How long it lasts is the integrated
autocorrelation time of the latencies' ranks, summed up to where pairs of autocorrelations become
negative (the initial positive sequence of Geyer 1992).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_BLOCKS = 64
FEWEST_BLOCKS = 8
# A stretch holds this many times as many images as are alike, and at least so many.
LENGTH_IN_TIMES = 4
FEWEST_IN_BLOCK = 5

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Blocks:
    """A series of values cut into stretches; NaN where an element has no value."""

    values: Floats
    """In the order of time."""
    block_of: Counts
    """The number of the stretch of each."""
    count: int


def cut(values: Floats, blocks: int) -> Blocks:
    """Cut a series into that many stretches of the same length, but for one element."""
    places = np.arange(len(values), dtype=np.int64)
    return Blocks(values, places * blocks // max(1, len(values)), blocks)


def choose_blocks(series: Sequence[Floats]) -> int:
    """Return into how many stretches all the series are to be cut."""
    fitting = min(
        len(one) / max(FEWEST_IN_BLOCK, LENGTH_IN_TIMES * likeness(one)) for one in series
    )
    return max(FEWEST_BLOCKS, min(MOST_BLOCKS, int(fitting)))


def likeness(values: Floats) -> float:
    """Return over how many neighbours values are alike, 1 where they are independent.

    This many values tell as much of their mean as one independent value. NaN are left out.
    """
    known = values[~np.isnan(values)]
    if len(known) < FEWEST_BLOCKS:
        return 1.0
    _, place, ties = np.unique(known, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    if len(ties) == 1:
        return 1.0
    ranks -= ranks.mean()
    # Padded, so that the end is not taken for the neighbour of the beginning.
    spectrum = np.fft.rfft(ranks, n=2 * len(ranks))
    products = np.fft.irfft(spectrum * np.conj(spectrum), n=2 * len(ranks))[: len(ranks)]
    pairs = (products / products[0])[: len(ranks) // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    end = int(negative[0]) if negative.size else len(pairs)
    return max(1.0, float(2 * pairs[:end].sum() - 1))


def draw_weights(blocks: int, *, replicates: int, rng: np.random.Generator) -> Counts:
    """Return how often each stretch is drawn in each replicate: (replicates, blocks)."""
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)


def resample_quantiles(blocks: Blocks, weights: Counts, quantiles: Sequence[float]) -> Floats:
    """Return the quantiles (0 to 1) of each replicate, without NaN: (replicates, quantiles).

    A quantile is the smallest value that at least this part of the values does not exceed. A
    replicate without a value has NaN.
    """
    known = ~np.isnan(blocks.values)
    order = np.argsort(blocks.values[known], kind="stable")
    ordered = blocks.values[known][order]
    block_of = blocks.block_of[known][order]
    found = np.full((len(weights), len(quantiles)), np.nan)
    for row, drawn in enumerate(weights):
        below = np.cumsum(drawn[block_of])
        if below.size and below[-1]:
            ranks = np.ceil(np.asarray(quantiles) * below[-1] - 1e-9)
            found[row] = ordered[np.searchsorted(below, ranks)]
    return found


def resample_means(blocks: Blocks, weights: Counts) -> Floats:
    """Return the mean of each replicate, without NaN: (replicates,)."""
    known = ~np.isnan(blocks.values)
    sums = np.bincount(blocks.block_of[known], weights=blocks.values[known], minlength=blocks.count)
    counts = np.bincount(blocks.block_of[known], minlength=blocks.count)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = (weights @ sums) / (weights @ counts)
    return means
