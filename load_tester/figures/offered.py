"""How long images take at each offered load: where a service leaves its straight line. Pure."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from load_tester.figures.latency import measure_spread
from load_tester.figures.window import measured_records
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Mode, Run

MOST_STEPS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedRow:
    """The images of all seconds in which the plan asked for about the same rate."""

    from_per_s: int
    to_per_s: int
    mean_per_s: float
    seconds: int
    images: int
    ok: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


def measure_offered(run: Run) -> list[OfferedRow]:
    """Return the latencies by offered load, least first; nothing for a closed loop.

    The samples of all seconds with like loads are put together, and their percentiles measured
    once: percentiles of percentiles would mean nothing.
    """
    if run.asked.mode is not Mode.OPEN:
        return []
    loads = [load for load in run.planned if load > 0]
    if not loads:
        return []
    width = max(1, math.ceil((max(loads) - min(loads) + 1) / MOST_STEPS))
    groups = defaultdict[int, list[ImageRecord]](list)
    for record in measured_records(run):
        if record.second <= len(run.planned):
            groups[(run.planned[record.second - 1] - min(loads)) // width].append(record)
    return [
        _sum_up(group, run, from_per_s=min(loads) + step * width, width=width)
        for step, group in sorted(groups.items())
    ]


def _sum_up(group: list[ImageRecord], run: Run, *, from_per_s: int, width: int) -> OfferedRow:
    done = [record for record in group if record.outcome is Outcome.OK]
    spread = measure_spread(record.end_to_end_s for record in done)
    seconds = {record.second for record in group}
    return OfferedRow(
        from_per_s=from_per_s,
        to_per_s=from_per_s + width - 1,
        mean_per_s=sum(run.planned[second - 1] for second in seconds) / len(seconds),
        seconds=len(seconds),
        images=len(group),
        ok=len(done),
        p50_s=spread.p50_s,
        p95_s=spread.p95_s,
        max_s=spread.max_s,
    )
