"""What a result store promises."""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Protocol

from dispatcher.jobs import Batch, CachedResult, Delivery, Job, JobState

OnDropped = Callable[[Job | Batch], None]
"""Called with what a store no longer keeps."""


OnDue = Callable[[Delivery], None]
"""Called with each webhook that has become due."""


class KeyTakenError(Exception):
    """A job came with an Idempotency-Key that another job has; it is not kept."""

    def __init__(self, *, fingerprint: str, job_id: str) -> None:
        super().__init__(job_id)
        self.fingerprint = fingerprint
        self.job_id = job_id


class ResultStore(Protocol):
    """Jobs by id, from their acceptance until their retention has passed.

    Promises of every backend:

    - ``add`` and ``save`` never replace a job that has ended: a job has one terminal state, once.
    - ``add`` returns once the job will be kept; ``JobQueue.put`` makes it safe together with its
      place in the queue. A job that never gets one, because it has ended already or waits for an
      identical one, is safe when ``add`` returns.
    - A ``save`` that ends a job returns, and wakes those who wait, once that is safe.
    - A job with a ``webhook_url`` that ends leaves a ``Delivery``, safe together with its end; it
      is handed to ``on_due``. Such a job is kept, and read, until its delivery has ended.
    - Whoever waits for a job is woken by the ``save`` that ends it, or changes its state; closing
      the store wakes everybody.
    - Jobs that have not ended are never dropped; ended ones go oldest first, by age and count.
      For as long as the backend remembers the id, reading one of those raises ``GoneError``.
      Batches go likewise, by age and by the count of their files. Whatever is dropped is handed
      to ``on_dropped`` once, so that what it holds elsewhere can go, too.

    A store that several dispatchers share keeps these promises for all of them together: whoever
    ends a job first has ended it, and any of them answers for any job. There one of them drops
    what has to go, now and then, and hands nothing over: nobody counts who holds what; and each
    webhook is due where its job has ended, or elsewhere should that dispatcher die.
    """

    def unready(self) -> str | None:
        """Say, for people, what of the backend cannot be reached; None when all of it can."""
        ...

    async def start(self) -> None:
        """Open the backend; one on another machine is waited for by nobody, see ``unready``."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def add(self, job: Job) -> None:
        """Keep a new job.

        Raises:
            StorageFullError: there is no space for it, and it is not kept.
            StorageUnavailableError: it cannot be told whether it is kept; within seconds.
            KeyTakenError: its Idempotency-Key came with another job, to another dispatcher.
        """
        ...

    async def save(self, job: Job) -> bool:
        """Replace a job by its next state; False when the stored one has ended already."""
        ...

    async def discard(self, job_id: str) -> None:
        """Forget a job that was never accepted."""
        ...

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: no such job.
            GoneError: it has ended and its retention has passed.
        """
        ...

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """Return a job as soon as it has ended, or as it is after the time-out.

        Raises:
            NotFoundError: no such job.
            GoneError: it has ended and its retention has passed.
        """
        ...

    async def changed(self, job_id: str, *, since: JobState, timeout_s: float) -> Job:
        """Return a job as soon as its state is another, or as it is after the time-out.

        Args:
            job_id: of the job.
            since: the state that is known already.
            timeout_s: how long to wait.

        Raises:
            NotFoundError: no such job.
            GoneError: it has ended and its retention has passed.
        """
        ...

    def stop_waiting(self) -> None:
        """Let everybody who waits have the job as it is; nobody waits from now on."""
        ...

    async def add_batch(self, batch: Batch) -> None:
        """Keep a new batch.

        Raises:
            StorageFullError: there is no space for it, and it is not kept.
        """
        ...

    async def get_batch(self, batch_id: str) -> Batch:
        """Return a batch.

        Raises:
            NotFoundError: no such batch, or its retention has passed.
        """
        ...

    async def list_jobs(
        self,
        *,
        tenant: str | None,
        states: Collection[JobState] = (),
        text: str = "",
        before: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs of a tenant, the latest accepted first.

        Args:
            tenant: whose; None means everybody's, which is for operators.
            states: only of these states; of all when none is named.
            text: only those with this in their id, file name or pipeline, whatever the case.
            before: only what was accepted before this job.
            limit: at most so many.
        """
        ...

    async def drop(self, job_ids: Collection[str]) -> int:
        """Drop ended jobs before their retention has passed; return how many were.

        Those that have not ended stay, and those whose webhook is still to be delivered.
        """
        ...

    async def find_by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and job id of the request that came with an Idempotency-Key.

        None when there was none, it was refused, or its retention has passed.

        Raises:
            ResultsUnavailableError: another dispatcher takes long to accept or refuse it.
        """
        ...

    async def note_accepted(self, job: Job) -> None:
        """Take note that a job which came with an Idempotency-Key was accepted for good.

        Until then whoever repeats the request at another dispatcher has to wait: the job may still
        be refused. Nothing to do where there is one dispatcher.
        """
        ...

    async def find_cached(self, key: str | None) -> CachedResult | None:
        """Return a good result that another dispatcher may have kept; None when there is none."""
        ...

    async def keep_cached(self, key: str, cached: CachedResult) -> None:
        """Keep a good result for identical images, also when its job is no longer kept."""
        ...

    async def drop_cached(self, key: str) -> None:
        """Forget that result."""
        ...

    async def put_delivery(self, delivery: Delivery) -> None:
        """Take note of when to try a webhook next."""
        ...

    async def end_delivery(self, job_id: str) -> None:
        """Forget a webhook that was delivered, or given up."""
        ...

    async def deliveries(self) -> list[Delivery]:
        """Return all webhooks that are still to be delivered."""
        ...

    def kept(self) -> AsyncIterator[Job | Batch]:
        """Yield every record, the oldest first: what an earlier process left."""
        ...

    def cached(self) -> AsyncIterator[tuple[str, CachedResult]]:
        """Yield every cached result with its key, the oldest first."""
        ...

    async def drop_old(self) -> None:
        """Drop what is older than its retention; called now and then."""
        ...

    def count(self) -> int:
        """Return how many jobs are kept."""
        ...
