"""What the scripts of the backlog answer, as records."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from dispatcher.jobs import Priority
from dispatcher.queues.lanes import PENALTY_S
from dispatcher.queues.places import LaneSnapshot, Snapshot


def as_list(answer: object) -> list[object]:
    """Return an answer that is a list."""
    assert isinstance(answer, list), answer
    return answer


def as_int(answer: object) -> int:
    """Return an answer that is a number."""
    assert isinstance(answer, int), answer
    return answer


def as_text(answer: object) -> str:
    """Return an answer that is text."""
    assert isinstance(answer, bytes), answer
    return answer.decode()


@dataclass(slots=True)
class _Lane:
    """One lane while its queues are gathered."""

    waiting: int = 0
    working: int = 0
    size_bytes: int = 0
    accepted: list[float] = field(default_factory=list)
    """Of the first job of each priority."""
    due: list[tuple[float, str]] = field(default_factory=list)


def read_snapshot(answer: object) -> Snapshot:
    """Return the answer of ``snapshot.lua``: totals, queues by priority and lane, lanes in work."""
    totals, queues, working = as_list(answer)
    lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
    for queue in as_list(queues):
        name, waiting, first = as_list(queue)
        priority, lane = as_text(name).split(":", 1)
        _gather(lanes[lane], Priority(int(priority)), as_int(waiting), as_list(first))
    for in_work in as_list(working):
        busy_lane, jobs = as_list(in_work)
        lanes[as_text(busy_lane)].working = as_int(jobs)
    tenants = {}
    for kind, owner, total in _read_totals(as_list(totals)):
        if kind == "t":
            tenants[owner] = total
        elif kind == "b" and owner in lanes:
            lanes[owner].size_bytes = total
    return Snapshot({name: _finished(found) for name, found in lanes.items()}, tenants)


def _read_totals(totals: list[object]) -> Iterator[tuple[str, str, int]]:
    """Yield of each total what it counts, whose, and how many."""
    for name, total in zip(totals[::2], totals[1::2], strict=True):
        kind, _, owner = as_text(name).partition(":")
        yield kind, owner, int(as_text(total))


def _gather(lane: _Lane, priority: Priority, waiting: int, first: list[object]) -> None:
    lane.waiting += waiting
    ids, scores = first[::2], first[1::2]
    due = [float(as_text(score)) for score in scores]
    lane.due += zip(due, map(as_text, ids), strict=True)
    lane.accepted += [score - PENALTY_S[priority] for score in due[:1]]


def _finished(lane: _Lane) -> LaneSnapshot:
    return LaneSnapshot(
        waiting=lane.waiting,
        working=lane.working,
        size_bytes=lane.size_bytes,
        oldest_at=min(lane.accepted, default=None),
        first_ids=tuple(job_id for _, job_id in sorted(lane.due)),
    )
