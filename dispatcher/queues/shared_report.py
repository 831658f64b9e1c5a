"""What a shared queue tells an operator: from the broker what is there, from the backlog whose."""

import time

from dispatcher.jobs import Priority
from dispatcher.queues.declarations import Declarations, QueueCount, queue_names
from dispatcher.queues.places import LaneSnapshot, Snapshot
from dispatcher.queues.report import LaneReport, PriorityReport


async def report_lanes(declarations: Declarations, seen: Snapshot) -> tuple[LaneReport, ...]:
    """Return the lanes in which something waits, is in work or is consumed, by name.

    Raises:
        BrokerAwayError: the broker cannot be asked.
    """
    lanes = []
    for lane in sorted(set(declarations.lanes) | set(seen.lanes)):
        counts = {
            priority: await declarations.count(name) for priority, name in queue_names(lane).items()
        }
        report = _report(lane, counts, seen.lanes.get(lane))
        if report.waiting or report.in_work or any(one.consumers for one in report.priorities):
            lanes.append(report)
    return tuple(lanes)


def _report(
    lane: str, counts: dict[Priority, QueueCount | None], seen: LaneSnapshot | None
) -> LaneReport:
    priorities = tuple(
        PriorityReport(
            priority,
            waiting=count.ready if count else 0,
            consumers=count.consumers if count else 0,
        )
        for priority, count in counts.items()
    )
    ready = sum(one.waiting for one in priorities)
    oldest_at = seen.oldest_at if seen else None
    return LaneReport(
        lane,
        waiting=max(ready, seen.waiting) if seen else ready,
        in_work=seen.working if seen else 0,
        oldest_age_s=0.0 if oldest_at is None else max(0.0, time.time() - oldest_at),
        priorities=priorities,
    )
