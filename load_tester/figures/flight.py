"""How many images were under way, measured and by Little's law (L = λ W). Pure.

J. D. C. Little, "A Proof for the Queuing Formula: L = λW", Operations Research 9 (1961): over any
long time, the mean number under way is the rate of arrivals times the mean time that each stays.
The two sides come from different sources here: the load tester's own counter, sampled while it
ran, and the moments in the records. A gap means that images are missing from one of them.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from load_tester.figures.series import average_in_flight, measure_length
from load_tester.record import ImageRecord
from load_tester.run import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class FlightRow:
    """The mean number of images under way over one row of time."""

    at_s: int
    sampled: float | None
    """By the load tester's own counter."""
    recorded: float
    """From the moments of sends and results."""
    computed: float | None
    """The sends a second times their mean time to the result; None without a send."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flight:
    """Images under way over the whole run and over time."""

    images: int
    """Those whose send and result are both known; others are in no figure but `sampled`."""
    span_s: float
    """From the first send to the last result."""
    arrivals_per_s: float
    mean_time_s: float
    computed: float
    """`arrivals_per_s` times `mean_time_s`."""
    sampled: float | None
    """The mean of the load tester's own counter over the same time."""
    rows: list[FlightRow]


def measure_flight(run: Run, *, width_s: int) -> Flight | None:
    """Return what was under way, or None when no image has both a send and a result."""
    known = [_interval(record) for record in run.records]
    intervals = sorted(interval for interval in known if interval is not None)
    if not intervals:
        return None
    starts, ends = [start for start, _ in intervals], [end for _, end in intervals]
    first_s, last_s = starts[0], max(ends)
    span_s = max(last_s - first_s, 1e-9)
    mean_s = sum(end - start for start, end in intervals) / len(intervals)
    inside = [sample.in_flight for sample in run.generator if first_s <= sample.at_s <= last_s]
    return Flight(
        images=len(intervals),
        span_s=span_s,
        arrivals_per_s=len(intervals) / span_s,
        mean_time_s=mean_s,
        computed=len(intervals) / span_s * mean_s,
        sampled=sum(inside) / len(inside) if inside else None,
        rows=_measure_rows(run, starts, ends, width_s),
    )


def _measure_rows(
    run: Run, starts: Sequence[float], ends: Sequence[float], width_s: int
) -> list[FlightRow]:
    rows = math.ceil(measure_length(run) / width_s)
    stays = defaultdict[int, float](float)
    for start, end in zip(starts, ends, strict=True):
        stays[int(start // width_s)] += end - start
    samples = defaultdict[int, list[int]](list)
    for sample in run.generator:
        samples[int(sample.at_s // width_s)].append(sample.in_flight)
    recorded = average_in_flight(starts, ends, [row * width_s for row in range(rows + 1)])
    return [
        FlightRow(
            at_s=row * width_s,
            sampled=sum(samples[row]) / len(samples[row]) if row in samples else None,
            recorded=recorded[row],
            computed=stays[row] / width_s if row in stays else None,
        )
        for row in range(rows)
    ]


def _interval(record: ImageRecord) -> tuple[float, float] | None:
    if record.sent_s is None or record.seen_s is None:
        return None
    return record.sent_s, record.seen_s
