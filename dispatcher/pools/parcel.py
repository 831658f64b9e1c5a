"""One item on its way to a replica and back."""

import asyncio
from dataclasses import dataclass

from dispatcher.pools.errors import AttemptError
from dispatcher.pools.replies import Result
from step_app.contract.frames import BatchItem


@dataclass(frozen=True, slots=True)
class Answer:
    """A replica's result for one item."""

    result: Result
    duration_s: float
    revision: str
    replica_url: str
    batch_size: int = 1
    """Items that travelled together."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """One item and who waits for its answer."""

    item: BatchItem
    answer: "asyncio.Future[Answer]"
    weight_bytes: int = 0
    """About how many bytes of pixels it becomes at the replica; at least its own size counts."""
    alone: bool = False
    """Whether nothing else may be on the road with it."""

    @property
    def size_bytes(self) -> int:
        """Return what it adds to the size of a request or of its answer, the larger of both."""
        return max(len(self.item.image), self.weight_bytes)

    @property
    def is_wanted(self) -> bool:
        """Say whether somebody still waits for the answer."""
        return not self.answer.done()

    def deliver(self, answer: Answer) -> None:
        """Hand over the answer, if somebody still waits for it."""
        if self.is_wanted:
            self.answer.set_result(answer)

    def fail(self, error: AttemptError) -> None:
        """Hand over an error, if somebody still waits for an answer."""
        if self.is_wanted:
            self.answer.set_exception(error)
