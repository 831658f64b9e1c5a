"""A run over time: what was asked for, sent and completed, how long it took, what was under way.

Pure. Every row covers `width_s` seconds and is named by its first moment, in seconds since the
run began.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from load_tester.figures.latency import measure_spread
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Mode, Run

WIDTHS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200)
MOST_ROWS: Final = 1200
"""More than a chart can show; longer runs get wider rows."""
FEWEST_WINDOWS: Final = 12
SAMPLES_FOR_P95: Final = 90


@dataclass(frozen=True, kw_only=True, slots=True)
class Second:
    """The images of one row; `target` is None in a closed loop, which has none."""

    at_s: int
    target: int | None
    due: int
    """Images that were sent, by the moment that was meant."""
    sent: int
    """Images that were sent, by the moment they were."""
    completed: int
    """Right results, by the moment they were seen."""
    failed: int
    """Images that were due here and did not end ok."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyWindow:
    """From intended send to result, over the images due in this time; None with too few."""

    at_s: int
    ok: int
    failed: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None


def measure_length(run: Run) -> int:
    """Return the whole seconds from the beginning to the last thing that is known, at least 1."""
    moments = [
        moment
        for record in run.records
        for moment in (record.sched_s, record.sent_s, record.seen_s)
        if moment is not None
    ]
    planned = len(run.planned) if run.asked.mode is Mode.OPEN else 1
    return max(planned, math.floor(max(moments, default=0.0)) + 1, 1)


def choose_width(length_s: int) -> int:
    """Return how many seconds a row must cover, so that there are not too many."""
    return next((width for width in WIDTHS_S if length_s <= width * MOST_ROWS), WIDTHS_S[-1])


def count_seconds(run: Run, *, width_s: int = 1) -> list[Second]:
    """Return what was asked for, sent and completed, row by row."""
    due = _count(run.records, width_s, lambda r: None if r.sent_s is None else r.sched_s)
    sent = _count(run.records, width_s, lambda r: r.sent_s)
    completed = _count(run.records, width_s, lambda r: r.seen_s if _is_ok(r) else None)
    failed = _count(run.records, width_s, lambda r: None if _is_ok(r) else r.sched_s)
    target = Counter[int]()
    for second, images in enumerate(run.planned):
        target[second // width_s] += images
    is_open = run.asked.mode is Mode.OPEN
    return [
        Second(
            at_s=row * width_s,
            target=target[row] if is_open else None,
            due=due[row],
            sent=sent[row],
            completed=completed[row],
            failed=failed[row],
        )
        for row in range(math.ceil(measure_length(run) / width_s))
    ]


def choose_window(run: Run) -> int:
    """Return the narrowest width in seconds whose windows can tell p95, leaving at least twelve."""
    length_s = measure_length(run)
    ok = sum(map(_is_ok, run.records))
    fitting = [width for width in WIDTHS_S if width == 1 or length_s >= width * FEWEST_WINDOWS]
    for width in fitting:
        if ok * width >= SAMPLES_FOR_P95 * length_s and length_s <= width * MOST_ROWS:
            return width
    return fitting[-1]


def measure_windows(run: Run, *, width_s: int) -> list[LatencyWindow]:
    """Return the latencies over time, by the moment at which each image was due."""
    latencies = defaultdict[int, list[float | None]](list)
    failed = Counter[int]()
    for record in run.records:
        row = int(record.sched_s // width_s)
        if _is_ok(record):
            latencies[row].append(record.end_to_end_s)
        else:
            failed[row] += 1
    windows = []
    for row in range(math.ceil(measure_length(run) / width_s)):
        spread = measure_spread(latencies[row])
        windows.append(
            LatencyWindow(
                at_s=row * width_s,
                ok=spread.count,
                failed=failed[row],
                p50_s=spread.p50_s,
                p95_s=spread.p95_s,
                p99_s=spread.p99_s,
                max_s=spread.max_s,
            )
        )
    return windows


def average_in_flight(
    starts_s: Sequence[float], ends_s: Sequence[float], edges_s: Sequence[float]
) -> list[float]:
    """Return how many of the intervals were open on average between each two edges.

    An image is under way from its start to its end; the sum of all that time up to a moment is
    the sum of what began before it less the sum of what ended before it.
    """
    edges = np.asarray(edges_s, dtype=np.float64)
    spent = _area_until(starts_s, edges) - _area_until(ends_s, edges)
    averages: list[float] = (np.diff(spent) / np.diff(edges)).tolist()
    return averages


def _area_until(moments_s: Sequence[float], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each edge, the sum over all earlier moments of the time since then."""
    moments = np.sort(np.asarray(moments_s, dtype=np.float64))
    sums = np.concatenate([[0.0], np.cumsum(moments)])
    before = np.searchsorted(moments, edges)
    areas: NDArray[np.float64] = edges * before - sums[before]
    return areas


def _count(
    records: Iterable[ImageRecord],
    width_s: int,
    moment_of: Callable[[ImageRecord], float | None],
) -> Counter[int]:
    moments = (moment_of(record) for record in records)
    return Counter(int(moment // width_s) for moment in moments if moment is not None)


def _is_ok(record: ImageRecord) -> bool:
    return record.outcome is Outcome.OK
