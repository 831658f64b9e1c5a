"""What a job queue promises."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


class QueueFullError(Exception):
    """The queue holds as many jobs as it may; nothing was added."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job, until it is given back."""

    job_id: str
    lane: str
    token: int
    """Names this reservation; an older one of the same job is void."""


class JobQueue(Protocol):
    """Waiting jobs in the order of their arrival.

    Promises of every backend:

    - ``put`` takes all of its jobs or none, and returns once they are kept as safely as the
      backend keeps anything. Jobs of one batch are admitted together: they may pass the capacity
      as one, but nothing else is added once it is reached.
    - Each job waits in a *lane*, named after its pipeline, so that one pipeline without replicas
      holds up no other.
    - A job is leased to one owner at a time. It leaves the queue only by ``ack``.
    - ``nack`` puts a job back to the front: it has waited longest.
    - ``ack`` and ``nack`` of a lease that is void change nothing and return False.
    - ``depth`` counts jobs that wait, not those that are leased.
    """

    async def start(self) -> None:
        """Open the backend."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def put(self, job_ids: Sequence[str], *, lane: str, is_admitted: bool = False) -> int:
        """Add jobs to the end of a lane and return the depth with them.

        Args:
            job_ids: the jobs, in order.
            lane: where they wait.
            is_admitted: whether they belong to a batch of which some were added before.

        Raises:
            QueueFullError: ``capacity`` jobs wait already.
        """
        ...

    async def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the oldest job of these lanes; None when none waits there."""
        ...

    async def wait_for_more(self) -> None:
        """Return after the next ``put`` or ``nack``, at once if one came since the last call."""
        ...

    async def ack(self, lease: Lease) -> bool:
        """Remove a leased job for good."""
        ...

    async def nack(self, lease: Lease) -> bool:
        """Give a leased job back."""
        ...

    def depth(self) -> int:
        """Return how many jobs wait."""
        ...

    def lanes(self) -> list[str]:
        """Return the lanes in which jobs wait."""
        ...

    def pending(self, lane: str) -> int:
        """Return how many jobs of a lane wait or are leased."""
        ...

    def leased(self) -> int:
        """Return how many jobs are leased."""
        ...

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        ...

    def position(self, job_id: str) -> int | None:
        """Return how many jobs of its lane wait before this one; None when it does not wait."""
        ...

    def oldest_age_s(self) -> float:
        """Return how long the oldest waiting job has waited, in seconds; 0 when none does."""
        ...
