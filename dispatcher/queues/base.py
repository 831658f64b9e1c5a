"""What a job queue promises."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dispatcher.jobs import Job
from dispatcher.queues.report import QueueReport

CLOCKS_DIFFER_S: Final = 60.0
"""At most by so much, between dispatchers that share a queue."""


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

    A queue that several dispatchers share hands each job to one of them at a time, so that work
    is done at least once; which of two answers counts is the result store's promise. Its figures
    are those of all dispatchers, as they were a moment ago. A job that is put in while the same
    work (``Job.work_key``) waits or is done elsewhere gets no place of its own but is *linked* to
    that one, and ends like it.
    """

    @property
    def outlives_process(self) -> bool:
        """Say whether jobs that wait when the process ends are there in the next one."""
        ...

    @property
    def is_shared(self) -> bool:
        """Say whether other dispatchers may put jobs into this queue, and take them."""
        ...

    def unready(self) -> str | None:
        """Say, for people, why nothing can be put in at the moment; None when it can."""
        ...

    def offer(self, room: Mapping[str, int] | None) -> None:
        """Tell for how many jobs of each lane this process has room, those in work included.

        A shared queue gives this process no more; a lane that is not named, or has none, is left
        to others. Nobody serves the lanes of deleted pipelines, so whoever works on jobs at all
        ends those; None says that this process takes no jobs any more.
        """
        ...

    async def start(self) -> None:
        """Open the backend; one on another machine is waited for by nobody, see ``unready``."""
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
            QueueUnavailableError: it cannot be told whether they were added; within seconds.
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

    async def unlink(self, lease: Lease) -> Sequence[str]:
        """Return the ids of the jobs that are linked to a leased one; from now on none is.

        Called when its end is kept and before ``ack``, by whoever then ends those as well.
        """
        ...

    async def withdraw(self, job_id: str) -> bool:
        """Remove a waiting job for good; False when it does not wait.

        In a shared queue a job that is in work elsewhere is stopped there, soon.
        """
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
        """Return how many jobs of a lane wait or are leased.

        Of a shared queue this process's share: those that it leased, and as many of those that
        wait as come to each of the processes that serve the lane.
        """
        ...

    def is_idle(self, lane: str) -> bool:
        """Say whether no job of a lane waits or is leased, here or at another process."""
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

    async def report(self) -> QueueReport:
        """Tell an operator what waits and what is in work, everywhere.

        Raises:
            QueueUnavailableError: it cannot be told now; within seconds.
        """
        ...

    async def put_back_dead(self, *, limit: int) -> int:
        """Let messages that no dispatcher could read be tried again; return how many.

        Args:
            limit: at most so many.

        Raises:
            QueueUnavailableError: it cannot be told whether they were; none is lost.
        """
        ...

    async def drop_dead(self) -> int:
        """Throw away the messages that no dispatcher could read; return how many.

        No accepted job is lost with them: its record is kept elsewhere.

        Raises:
            QueueUnavailableError: it cannot be told how many were.
        """
        ...
