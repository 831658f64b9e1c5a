"""A live replica as the dispatcher sees it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_EWMA_WEIGHT: Final = 0.2


class ReplicaState(StrEnum):
    """Whether a replica gets work."""

    STARTING = "starting"  # known from a record, not ready yet
    READY = "ready"  # gets work
    EJECTED = "ejected"  # failed lately; probed until it is well again


@dataclass(slots=True)
class Replica:
    """One replica: what is known of it and what it has on its hands."""

    url: str
    step: str
    state: ReplicaState = ReplicaState.STARTING
    revision: str = ""
    max_batch_size: int = 1
    ongoing: int = 0
    """Items given to it and not answered."""
    served: int = 0
    errors: int = 0
    ewma_latency_s: float | None = None
    """Moving average of its answer time; None before the first answer."""
    ewma_item_s: float | None = None
    """Moving average of its time for one item: answer time by items that it had to work on."""
    consecutive_failures: int = 0
    """Failed attempts since the last good one."""
    failed_probes: int = 0
    ejections: int = 0
    """Ejections since it last worked well; each one lasts longer."""
    ejected_until: float = field(default=0.0)
    """Monotonic time before which no probe readmits it."""

    @property
    def is_ready(self) -> bool:
        """Say whether it gets work."""
        return self.state is ReplicaState.READY

    @property
    def room(self) -> int:
        """Return how many more items it may have: one batch in work, the next one ready."""
        return 2 * self.max_batch_size - self.ongoing if self.is_ready else 0

    def record_success(self, latency_s: float, *, items: int, work: int) -> None:
        """Note an answered request.

        Args:
            latency_s: from sending to the whole answer.
            items: that it answered well.
            work: items that the replica had to compute meanwhile, those of an earlier request
                included.
        """
        self.served += items
        self.consecutive_failures = 0
        self.ejections = 0
        self.ewma_latency_s = _moved(self.ewma_latency_s, latency_s)
        self.ewma_item_s = _moved(self.ewma_item_s, latency_s / work)

    def record_failure(self, items: int) -> None:
        """Note items that came back without an answer."""
        self.errors += items
        self.consecutive_failures += 1


def _moved(average: float | None, value: float) -> float:
    return value if average is None else average + _EWMA_WEIGHT * (value - average)
