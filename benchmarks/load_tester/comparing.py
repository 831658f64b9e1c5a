"""Comparing two runs: no alarm when nothing changed, and an alarm when the p95 rose by 10 %.

The runs are synthetic, so that what is true is known: latencies are lognormal (median 50 ms,
sigma 0.5), either independent or each like the one before (a correlation of their logarithms of
0.9), as those of a service with a queue are.
"""

import math
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import Row, at_least, at_most
from load_tester.figures.comparison import Comparison, Finding, compare
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Asked, Mode, Run

PAIRS: Final = 100
IMAGES: Final = 5_000
MANY_IMAGES: Final = 60_000
RATE: Final = 100
LIKENESS: Final = 0.9
_MEDIAN_S: Final = 0.05
_SIGMA: Final = 0.5
_DIFFERENT: Final = {Finding.BETTER, Finding.WORSE, Finding.MIXED}


def measure(_: Path) -> list[Row]:
    """Return false alarms and finds of 100 pairs each."""
    return [
        at_most("A/A, independent: false alarms of 100", _alarms(IMAGES, 0.0), 5),
        at_most("A/A, alike neighbours: false alarms of 100", _alarms(IMAGES, LIKENESS), 5),
        at_least("p95 +10 %, independent, 5,000 images: found", _finds(IMAGES, 0.0), 90),
        Row("p95 +10 %, alike neighbours, 5,000 images: found", f"{_finds(IMAGES, LIKENESS)}"),
        Row(
            "p95 +10 %, alike neighbours, 60,000 images: found",
            f"{_finds(MANY_IMAGES, LIKENESS, pairs=20)} of 20",
        ),
    ]


def _alarms(images: int, likeness: float) -> int:
    """Return in how many pairs of runs of the same service any difference is told."""
    comparisons = (_compare(pair, images, likeness, factor=1.0) for pair in range(PAIRS))
    return sum(comparison.finding in _DIFFERENT for comparison in comparisons)


def _finds(images: int, likeness: float, *, pairs: int = PAIRS) -> int:
    """Return in how many pairs the second run's p95, 10 % slower, is told to be slower."""
    comparisons = (_compare(pair, images, likeness, factor=1.1) for pair in range(pairs))
    return sum(
        row.finding is Finding.WORSE
        for comparison in comparisons
        for row in comparison.rows
        if row.name == "p95"
    )


def _compare(pair: int, images: int, likeness: float, *, factor: float) -> Comparison:
    rng = np.random.default_rng([pair, images, round(likeness * 10)])
    first = _create_run(rng, images, likeness, factor=1.0)
    return compare(first, _create_run(rng, images, likeness, factor=factor))


def _create_run(rng: np.random.Generator, images: int, likeness: float, *, factor: float) -> Run:
    """Return a run whose latencies are known but for chance, all of them `factor` times as long."""
    noise = rng.standard_normal(images) * math.sqrt(1 - likeness**2)
    level = rng.standard_normal()
    records = []
    for index in range(images):
        level = likeness * level + noise[index]
        sched_s = index / RATE
        records.append(
            ImageRecord(
                index=index,
                second=index // RATE + 1,
                file="image.jpg",
                outcome=Outcome.OK,
                reason=None,
                sched_s=sched_s,
                sent_s=sched_s,
                accepted_s=sched_s,
                seen_s=sched_s + factor * _MEDIAN_S * math.exp(_SIGMA * level),
            )
        )
    return Run(
        asked=Asked(
            mode=Mode.OPEN, command="", targets=("",), source="synthetic", plan_digest="", seed=0,
            timeout_s=60.0,
        ),
        started_at="2026-01-01T00:00:00.000000",
        planned=(RATE,) * (images // RATE),
        records=tuple(records),
        uploads=images,
    )  # fmt: skip
