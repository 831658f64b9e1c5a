"""Whether the sends left when they should have: the generator's own lateness. Pure.

With few sends a share means little: one late send of twenty is five per cent, and may be chance.
So a share counts below 459 sends, where no p99 is told either, only when chance explains it in
less than one of twenty runs (the binomial tail, as in the exact interval of Clopper and Pearson).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from load_tester.figures.latency import samples_needed, tell_percentiles
from load_tester.figures.window import is_forestalled
from load_tester.record import ImageRecord, Outcome
from load_tester.run import Run

LATE_S = 0.001
LATE_SHARE = 0.01
INVALID_LATE_S = 0.005
# Of the median end to end.
INVALID_LATE_PART = 0.05
CHANCE = 0.05
# How the engine calls an image for which no worker was free in time.
NO_WORKER = "no_free_worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Punctuality:
    """How many sends were late by the generator's own fault, and how many `--max-workers` held.

    The service did nothing to either: both are the load tester's, told apart by what mends them.
    """

    sends: int
    late: int
    """Later than 1 ms."""
    very_late: int
    """Later than `limit_s`."""
    limit_s: float
    """The larger of 5 ms and 5 % of the median end to end."""
    worst_s: float
    held: int
    """Images that waited longer than 1 ms for a free worker, or never got one."""
    never_free: int
    """Those of them that never got one."""
    held_late: int
    """Those that were later than `limit_s` only because of that, or never got one."""
    longest_held_s: float
    due: int
    """Images that an interruption did not forestall."""
    missing: int
    """Those of them that were not sent in the time of the plan, but for what was held."""


def measure_punctuality(run: Run) -> Punctuality:
    """Return how punctual the sends of an open-loop run were."""
    due = [record for record in run.records if not is_forestalled(record)]
    late_s = [own_lateness_s(record) for record in due if record.sent_s is not None]
    never = [record for record in due if record.sent_s is None]
    refused = sum(record.reason == NO_WORKER for record in never)
    limit_s = lateness_limit_s(run.records)
    end_s = len(run.planned) + limit_s
    return Punctuality(
        sends=len(late_s),
        late=sum(value > LATE_S for value in late_s),
        very_late=sum(value > limit_s for value in late_s),
        limit_s=limit_s,
        worst_s=max(late_s, default=0.0),
        held=sum(record.held_s > LATE_S for record in due) + refused,
        never_free=refused,
        held_late=sum(_is_held_late(record, limit_s) for record in due) + refused,
        longest_held_s=max((record.held_s for record in due), default=0.0),
        due=len(due),
        missing=len(never)
        - refused
        + sum(record.sent_s - record.held_s > end_s for record in due if record.sent_s is not None),
    )


def _is_held_late(record: ImageRecord, limit_s: float) -> bool:
    """Tell whether it left later than `limit_s`, and would not have without `--max-workers`."""
    return (record.lateness_s or 0.0) > limit_s >= own_lateness_s(record)


def own_lateness_s(record: ImageRecord) -> float:
    """Return how late the generator was, without what the image waited for a free worker."""
    return max(0.0, (record.lateness_s or 0.0) - record.held_s)


def lateness_limit_s(records: Sequence[ImageRecord]) -> float:
    """Return the lateness in seconds that makes a run invalid when 1 % of the sends exceed it.

    A slow service forgives more; that images were held back forgives nothing.
    """
    known = [
        record.end_to_end_s - record.held_s
        for record in records
        if record.outcome is Outcome.OK and record.end_to_end_s is not None
    ]
    (p50_s,) = tell_percentiles(known, [50.0])
    return max(INVALID_LATE_S, INVALID_LATE_PART * (p50_s or 0.0))


def is_more_than(count: int, of: int, *, share: float) -> bool:
    """Tell whether `count` of `of` is more than a share; with few, more than chance explains."""
    if count <= share * of:
        return False
    return of >= samples_needed(99.0) or chance_of(count, of, share=share) < CHANCE


def chance_of(count: int, of: int, *, share: float) -> float:
    """Return the chance of `count` or more among `of` when each has the chance `share`."""
    below = sum(
        math.comb(of, number) * share**number * (1 - share) ** (of - number)
        for number in range(count)
    )
    return max(0.0, 1.0 - below)
