"""What a job queue promises."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.jobs import Job


class QueueFullError(Exception):
    """The queue holds as many jobs as it may; nothing was added."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job, until it is given back."""

    job_id: str
    lane: str
    token: int
    """Names this reservation; an older one of the same job is void."""
    deliveries: int = 1
    """How often the job was leased and not given back, this time included, also by earlier
    processes: those did not survive it."""


class JobQueue(Protocol):
    """Waiting jobs in the order in which they are to be taken.

    Promises of every backend:

    - ``put`` takes all of its jobs or none, and returns once they are kept as safely as the
      backend keeps anything; so is then what was put into ``results`` and ``blobs`` before, when
      those are of the same kind. This is when a job counts as accepted. Jobs of one batch are
      admitted together: they may pass the capacity as one, but nothing else is added once it is
      reached.
    - Each job waits in a *lane*, named after its pipeline, so that one pipeline without replicas
      holds up no other.
    - More urgent jobs come first, else the older; waiting makes a job more urgent.
    - A job is leased to one owner at a time. It leaves the queue only by ``ack`` or, while it
      waits, by ``withdraw``.
    - ``nack`` puts a job back where it stood.
    - ``ack`` and ``nack`` of a lease that is void change nothing and return False.
    - A backend that outlives the process has all jobs wait again after ``start``, in the same
      order: leases end with their process.
    - ``depth`` counts jobs that wait, not those that are leased.
    """

    @property
    def outlives_process(self) -> bool:
        """Say whether jobs that wait when the process ends are there in the next one."""
        ...

    async def start(self) -> None:
        """Open the backend."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        """Add jobs, each to the lane of its pipeline, and return the depth with them.

        Args:
            jobs: what shall wait, in order.
            is_admitted: whether they belong to a batch of which some were added before.

        Raises:
            QueueFullError: ``capacity`` jobs wait already.
            StorageFullError: there is no space to keep them.
        """
        ...

    async def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first; None when none waits there."""
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

    async def withdraw(self, job_id: str) -> bool:
        """Remove a waiting job for good; False when it does not wait."""
        ...

    def depth(self) -> int:
        """Return how many jobs wait."""
        ...

    def waiting_bytes(self) -> int:
        """Return the size of the images of all waiting jobs."""
        ...

    def waiting_of(self, tenant: str) -> int:
        """Return how many jobs of a tenant wait."""
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
        """Return how many jobs of its lane come before this one; None when it does not wait."""
        ...

    def oldest_age_s(self) -> float:
        """Return how long the oldest waiting job has waited, in seconds; 0 when none does."""
        ...
