"""What the calls about the queue take and give, for FastAPI and its documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator

from dispatcher.errors import InvalidValueError
from dispatcher.intake.queue_operations import (
    MAX_STEP,
    Purged,
    QueueState,
    Requeued,
    Selection,
)
from dispatcher.queues.report import LaneReport


@dataclass(frozen=True, slots=True)
class PriorityDocument:
    """Jobs of one lane and one priority."""

    priority: int
    waiting: int
    consumers: int | None


@dataclass(frozen=True, slots=True)
class LaneDocument:
    """Jobs of one pipeline."""

    lane: str
    waiting: int
    in_work: int
    oldest_age: float
    """Seconds."""
    priorities: Sequence[PriorityDocument]


@dataclass(frozen=True, slots=True)
class QueueDocument:
    """The queue and what has failed, at one moment."""

    at: float
    """Unix seconds."""
    backend: str
    capacity: int
    waiting: int
    in_work: int
    lanes: Sequence[LaneDocument]
    failed: Mapping[str, int]
    """Failed jobs that are kept, by the code of their error."""
    dead_messages: int


@dataclass(frozen=True, slots=True)
class PurgedDocument:
    """What one call has purged."""

    purged: int
    dead_messages: int
    more: bool
    """Whether another call may find more."""


@dataclass(frozen=True, slots=True)
class RequeuedDocument:
    """What one call has repeated."""

    requeued: int
    put_back: int
    skipped: Mapping[str, int]
    next: str | None
    """What to send as `after` to go on; null at the end."""


_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_FIELDS: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "what": (
        {"enum": ["waiting", "failed"], "default": "waiting"},
        "waiting cancels jobs that wait, failed drops failed ones that are kept",
    ),
    "lane": (_TEXT, "the id of a pipeline: only its jobs"),
    "code": (_TEXT, "a code of an error: only what has failed with it"),
    "before": (
        {"type": "number", "minimum": 0},
        "Unix seconds: only what was accepted, or had failed, by then",
    ),
    "after": (_TEXT, "the `next` of an earlier answer: go on there"),
    "limit": (
        {"type": "integer", "minimum": 1, "maximum": MAX_STEP, "default": MAX_STEP},
        f"a whole number from 1 to {MAX_STEP}: jobs that this call looks after",
    ),
}
PURGE_FIELDS: Final = frozenset({"what", "lane", "code", "before", "limit"})
REQUEUE_FIELDS: Final = frozenset({"lane", "code", "before", "after", "limit"})


def queue_document(state: QueueState, *, backend: str, capacity: int) -> QueueDocument:
    """Return what an operator is told."""
    return QueueDocument(
        at=state.at,
        backend=backend,
        capacity=capacity,
        waiting=state.report.waiting,
        in_work=state.report.in_work,
        lanes=[_lane(lane) for lane in state.report.lanes],
        failed=state.failed,
        dead_messages=state.report.dead,
    )


def purged_document(purged: Purged) -> PurgedDocument:
    """Return the answer to a purge."""
    return PurgedDocument(purged.count, dead_messages=purged.dead, more=purged.is_more)


def requeued_document(requeued: Requeued) -> RequeuedDocument:
    """Return the answer to a repetition."""
    return RequeuedDocument(
        requeued.count,
        put_back=requeued.put_back,
        skipped=requeued.skipped,
        next=requeued.next_after,
    )


def read_order(document: object, *, allowed: frozenset[str]) -> Mapping[str, Any]:
    """Return the fields of a body.

    Raises:
        InvalidValueError: it has others, or one that cannot be.
    """
    if not isinstance(document, Mapping):
        raise InvalidValueError("The body is a JSON object.")
    for name, value in document.items():
        if name not in allowed:
            raise InvalidValueError(f"Known fields: {', '.join(sorted(allowed))}.")
        schema, meaning = _FIELDS[name]
        if not Draft202012Validator(schema).is_valid(value):
            raise InvalidValueError(f"{name} is {meaning}.")
    return document


def selection_of(order: Mapping[str, Any]) -> Selection:
    """Return which jobs a body means."""
    return Selection(lane=order.get("lane"), code=order.get("code"), before=order.get("before"))


def _lane(lane: LaneReport) -> LaneDocument:
    return LaneDocument(
        lane=lane.lane,
        waiting=lane.waiting,
        in_work=lane.in_work,
        oldest_age=round(lane.oldest_age_s, 3),
        priorities=[
            PriorityDocument(each.priority.value, each.waiting, each.consumers)
            for each in lane.priorities
        ],
    )


def _order_schema(allowed: frozenset[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {**schema, "description": f"{name} is {meaning}."}
            for name, (schema, meaning) in _FIELDS.items()
            if name in allowed
        },
    }


ORDER_SCHEMAS: Final[Mapping[str, Any]] = {
    "PurgeOrder": _order_schema(PURGE_FIELDS),
    "RequeueOrder": _order_schema(REQUEUE_FIELDS),
}
