"""One item on its way to a replica and back."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dispatcher.errors import AttemptError
from step_app.contract import BatchItem


@dataclass(frozen=True, slots=True)
class Answer:
    """A replica's result for one item."""

    result: Mapping[str, Any]
    duration_s: float
    revision: str
    replica_url: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One item and who waits for its answer."""

    item: BatchItem
    answer: "asyncio.Future[Answer]"
    alone: bool = False
    """Whether nothing else may be on the road with it."""

    def deliver(self, answer: Answer) -> None:
        """Hand over the answer, if somebody still waits for it."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: AttemptError) -> None:
        """Hand over an error, if somebody still waits for an answer."""
        if not self.answer.done():
            self.answer.set_exception(error)
