"""Made-up states of a queue, and a target that plays a script."""

from collections.abc import Sequence
from typing import Any

from dispatcher.api.queue_documents import (
    LaneDocument,
    PriorityDocument,
    PurgedDocument,
    QueueDocument,
    RequeuedDocument,
)
from dispatcher.operations.target import Order


def make_state(**changes: Any) -> QueueDocument:
    """A queue with two lanes and some failures."""
    priorities = [PriorityDocument(0, 2, 1), PriorityDocument(1, 0, 0), PriorityDocument(2, 3, 1)]
    known: dict[str, Any] = {
        "at": 1000.0,
        "backend": "rabbitmq",
        "capacity": 200,
        "waiting": 6,
        "in_work": 4,
        "lanes": [
            LaneDocument("default", 5, 4, 12.345, priorities),
            LaneDocument("thumbs", 1, 0, 1.0, []),
        ],
        "failed": {"poison": 2, "replica_lost": 1},
        "dead_messages": 0,
    }
    return QueueDocument(**(known | changes))


class ScriptedQueue:
    """A target that answers in turn with what it was given, and keeps what it was asked."""

    name = "the script"
    may_drain = True

    def __init__(
        self, answers: Sequence[PurgedDocument | RequeuedDocument | Exception] = ()
    ) -> None:
        self._answers = list(answers)
        self.orders: list[Order] = []

    async def state(self) -> QueueDocument:
        return make_state()

    async def purge(self, order: Order) -> PurgedDocument:
        answer = self._next(order)
        assert isinstance(answer, PurgedDocument)
        return answer

    async def requeue(self, order: Order) -> RequeuedDocument:
        answer = self._next(order)
        assert isinstance(answer, RequeuedDocument)
        return answer

    def _next(self, order: Order) -> PurgedDocument | RequeuedDocument:
        self.orders.append(order)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
