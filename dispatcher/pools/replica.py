"""A live replica as the dispatcher sees it."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final

_EWMA_WEIGHT: Final = 0.2
_MIN_OWED_S: Final = 0.05
"""What is shorter may be a pause of this process, and says nothing of a replica."""


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
    pace_s: float | None = None
    """Geometric moving average of the same: one picture a hundred times as large as the usual
    hardly moves it, so that it tells slow replicas from slow pictures."""
    owes_since: float = field(default=0.0)
    """Monotonic time of its last answer or, when it had nothing to do then, of what it was given
    first since."""
    passed_over: int = 0
    """Items that others of its pool got since it got one."""
    _busy_before_s: float = 0.0
    """How long it has had items on hand, until the present stretch of it."""
    _busy_since: float = 0.0
    """Monotonic time at which that began."""
    consecutive_failures: int = 0
    """Failed attempts since the last good one."""
    failed_probes: int = 0
    ejections: int = 0
    """Ejections since it last worked well; each one lasts longer."""
    ejected_at: float = field(default=-inf)
    """Monotonic time of the last ejection."""
    ejected_until: float = field(default=0.0)
    """Monotonic time before which no probe readmits it."""
    readmitted_at: float = field(default=-inf)
    """Monotonic time when it last came back from an ejection."""

    @property
    def is_ready(self) -> bool:
        """Say whether it gets work."""
        return self.state is ReplicaState.READY

    @property
    def is_on_trial(self) -> bool:
        """Say whether it has come back from an ejection and has done no good work since."""
        return self.ejections > 0

    @property
    def room(self) -> int:
        """Return how many more items it may have: one batch in work, the next one ready.

        One on trial may have a single item, so that it can spoil no more than that.
        """
        if not self.is_ready:
            return 0
        return (1 if self.is_on_trial else 2 * self.max_batch_size) - self.ongoing

    def take_on(self, *, now: float) -> None:
        """Note an item that is given to it."""
        if not self.ongoing:
            self.owes_since = self._busy_since = now
        self.ongoing += 1

    def let_go(self, items: int, *, now: float) -> None:
        """Note items that it no longer has on hand."""
        if not items:
            return
        self.ongoing -= items
        if not self.ongoing:
            self._busy_before_s += now - self._busy_since

    def busy_s(self, *, now: float) -> float:
        """Return how long it has had items on hand, all in all."""
        return self._busy_before_s + (now - self._busy_since if self.ongoing else 0.0)

    def expected_pace_s(self, *, now: float) -> float | None:
        """Return how long one more item is likely to take; None when nothing is known.

        One that has owed an answer for longer than what it works on takes is at least that slow:
        it may hang, and it is not for the items that come now to find out.
        """
        if not self.ongoing:
            return self.pace_s
        owed_s = (now - self.owes_since) / min(self.ongoing, self.max_batch_size)
        if owed_s < _MIN_OWED_S:
            return self.pace_s
        return owed_s if self.pace_s is None else max(self.pace_s, owed_s)

    def record_success(self, latency_s: float, *, items: int, work: int, now: float) -> None:
        """Note an answered request.

        Args:
            latency_s: from sending to the whole answer.
            items: that it answered well.
            work: items that the replica had to compute meanwhile, those of an earlier request
                included.
            now: monotonic seconds.
        """
        self.served += items
        self.consecutive_failures = 0
        self.ejections = 0
        self.owes_since = now
        item_s = latency_s / work
        self.ewma_latency_s = _moved(self.ewma_latency_s, latency_s)
        self.ewma_item_s = _moved(self.ewma_item_s, item_s)
        if item_s > 0:
            pace_s = self.pace_s or item_s
            self.pace_s = pace_s * (item_s / pace_s) ** _EWMA_WEIGHT

    def record_failure(self, items: int) -> None:
        """Note items that came back without an answer."""
        self.errors += items
        self.consecutive_failures += 1


def _moved(average: float | None, value: float) -> float:
    return value if average is None else average + _EWMA_WEIGHT * (value - average)
