"""What a job queue promises."""

from dataclasses import dataclass
from typing import Protocol


class QueueFullError(Exception):
    """The queue holds as many jobs as it may; nothing was added."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job, until it is given back."""

    job_id: str
    token: int
    """Names this reservation; an older one of the same job is void."""


class JobQueue(Protocol):
    """Waiting jobs in the order of their arrival.

    Promises of every backend:

    - ``put`` returns once the job is kept as safely as the backend keeps anything; when it
      raises, the job is not in the queue.
    - A job is leased to one owner at a time. It leaves the queue only by ``ack``.
    - ``nack`` puts a job back to the front: it has waited longest.
    - ``ack`` and ``nack`` of a lease that is void change nothing and return False.
    - ``depth`` counts jobs that wait, not those that are leased.
    """

    async def start(self) -> None:
        """Open the backend."""
        ...

    async def close(self) -> None:
        """Close it; whoever waits in ``reserve`` is cancelled."""
        ...

    async def put(self, job_id: str) -> int:
        """Add a job and return the depth with it.

        Raises:
            QueueFullError: ``capacity`` jobs wait already.
        """
        ...

    async def reserve(self) -> Lease:
        """Wait for a job and lease the oldest."""
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

    def leased(self) -> int:
        """Return how many jobs are leased."""
        ...

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        ...

    def position(self, job_id: str) -> int | None:
        """Return how many jobs wait before this one; None when it does not wait."""
        ...

    def oldest_age_s(self) -> float:
        """Return how long the oldest waiting job has waited, in seconds; 0 when none does."""
        ...
