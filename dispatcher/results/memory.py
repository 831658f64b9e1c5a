"""Results in this process's memory: the reference; what it holds ends with the process."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from itertools import dropwhile, islice
from typing import Final

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import Batch, CachedResult, Delivery, Idempotency, Job, JobState
from dispatcher.results.base import OnDropped, OnDue
from dispatcher.results.matching import matches
from dispatcher.results.one_process import OneProcess
from dispatcher.results.waiting import WaitedFor, Waiters

_REMEMBERED_IDS: Final = 100_000
"""How many ids of dropped jobs are remembered to answer 410 instead of 404 (about 15 MB)."""


class MemoryResultStore(OneProcess, WaitedFor):
    """A ``ResultStore`` for one process."""

    def __init__(
        self,
        *,
        retention_s: float,
        retention_count: int,
        key_retention_s: float = 24 * 3600.0,
        on_dropped: OnDropped = lambda _: None,
        on_due: OnDue = lambda _: None,
    ) -> None:
        self._key_retention_s = key_retention_s
        self._on_due = on_due
        self._retention_s = retention_s
        self._retention_count = retention_count
        self._on_dropped = on_dropped
        self._open: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._hits: OrderedDict[str, Job] = OrderedDict()
        """Ended at once from the cache; counted apart, or a burst of them would push out others."""
        self._dropped: OrderedDict[str, None] = OrderedDict()
        self._batches: OrderedDict[str, Batch] = OrderedDict()
        self._batched_files = 0
        self._waiters = Waiters(self.get)
        self._accepted: dict[str, None] = {}
        """Ids of all jobs that are kept, in the order in which they were accepted."""
        self._by_key: OrderedDict[tuple[str, str], tuple[Idempotency, str, float]] = OrderedDict()
        """By tenant and Idempotency-Key: what was asked, the job, and when; oldest first."""
        self._cached: dict[str, CachedResult] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._undelivered: dict[str, Job] = {}
        """Ended, but kept until their webhooks are delivered; they push out no others."""

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Wake whoever still waits."""
        self._waiters.close()

    async def add(self, job: Job) -> None:
        """Keep a new job."""
        if job.id in self._ended or job.id in self._hits or job.id in self._undelivered:
            return
        self._accepted[job.id] = None
        if job.idempotency is not None:
            owner = (job.tenant, job.idempotency.key)
            self._by_key[owner] = (job.idempotency, job.id, job.queued_at)
            self._by_key.move_to_end(owner)  # it may be there, too old to count
        if job.state.is_terminal:
            self._end(job)
        else:
            self._open[job.id] = job

    async def save(self, job: Job) -> bool:
        """Replace a job by its next state; False when the stored one has ended already."""
        if job.id not in self._open:
            return False
        if job.state.is_terminal:
            del self._open[job.id]
            self._end(job)
        else:
            self._open[job.id] = job
        self._waiters.wake(job)
        return True

    async def discard(self, job_id: str) -> None:
        """Forget a job that was never accepted."""
        job = self._open.pop(job_id, None)
        self._accepted.pop(job_id, None)
        if job is not None and job.idempotency is not None:
            self._by_key.pop((job.tenant, job.idempotency.key), None)

    async def get(self, job_id: str) -> Job:
        """Return a job."""
        job = self._find(job_id)
        if job is None:
            raise GoneError if job_id in self._dropped else NotFoundError
        if job.state.is_terminal and self._is_over(job) and job_id not in self._undelivered:
            await self.drop_old()
            raise GoneError
        return job

    async def add_batch(self, batch: Batch) -> None:
        """Keep a new batch."""
        self._batches[batch.id] = batch
        self._batched_files += len(batch.files)
        self._drop_old_batches()

    async def get_batch(self, batch_id: str) -> Batch:
        """Return a batch."""
        batch = self._batches.get(batch_id)
        if batch is None or self._is_past(batch.created_at):
            raise NotFoundError
        return batch

    async def list_jobs(
        self,
        *,
        tenant: str | None,
        states: Collection[JobState] = (),
        text: str = "",
        before: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs of a tenant, the latest accepted first."""
        ids = reversed(self._accepted)
        if before is not None:
            ids = dropwhile(lambda job_id: job_id != before, ids)
            next(ids, None)
        jobs = (job for job_id in ids if (job := self._find(job_id)) is not None)
        theirs = (job for job in jobs if tenant is None or job.tenant == tenant)
        wanted = (job for job in theirs if matches(job, states=states, text=text))
        return list(islice(wanted, limit))

    async def drop(self, job_ids: Collection[str]) -> int:
        """Drop ended jobs before their retention has passed; return how many were."""
        dropped = 0
        for jobs in (self._ended, self._hits):
            for job_id in jobs.keys() & set(job_ids):
                self._drop(jobs.pop(job_id))
                dropped += 1
        return dropped

    async def find_by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and job id of the request that came with an Idempotency-Key."""
        found = self._by_key.get((tenant, key))
        if found is None or time.time() - found[2] > self._key_retention_s:
            return None
        return found[0].fingerprint, found[1]

    async def keep_cached(self, key: str, cached: CachedResult) -> None:
        """Keep a good result for identical images."""
        self._cached[key] = cached

    async def drop_cached(self, key: str) -> None:
        """Forget that result."""
        self._cached.pop(key, None)

    async def put_delivery(self, delivery: Delivery) -> None:
        """Take note of when to try next."""
        self._deliveries[delivery.job_id] = delivery

    async def end_delivery(self, job_id: str) -> None:
        """Forget a webhook that was delivered, or given up."""
        self._deliveries.pop(job_id, None)
        job = self._undelivered.pop(job_id, None)
        if job is not None:
            self._retain(job)

    async def deliveries(self) -> list[Delivery]:
        """Return all webhooks that are still to be delivered."""
        return list(self._deliveries.values())

    async def kept(self) -> AsyncIterator[Job | Batch]:
        """Yield every record, the oldest first."""
        for job_id in list(self._accepted):
            job = self._find(job_id)
            if job is not None:
                yield job
        for batch in list(self._batches.values()):
            yield batch

    async def cached(self) -> AsyncIterator[tuple[str, CachedResult]]:
        """Yield every cached result with its key, the oldest first."""
        for key, cached in list(self._cached.items()):
            yield key, cached

    async def drop_old(self) -> None:
        """Drop what is older than its retention."""
        self._forget_old_keys()
        self._drop_old_of(self._ended)
        self._drop_old_of(self._hits)
        self._drop_old_batches()

    def count(self) -> int:
        """Return how many jobs are kept."""
        return sum(map(len, (self._open, self._undelivered, self._ended, self._hits)))

    def _end(self, job: Job) -> None:
        if job.webhook_url is None:
            self._retain(job)
            return
        self._undelivered[job.id] = job
        delivery = Delivery(job.id, due_at=job.completed_at or job.queued_at)
        self._deliveries[job.id] = delivery
        self._on_due(delivery)

    def _retain(self, job: Job) -> None:
        """Keep an ended job for as long as any."""
        jobs = self._hits if job.from_cache else self._ended
        jobs[job.id] = job
        self._drop_old_of(jobs)

    def _drop_old_of(self, jobs: OrderedDict[str, Job]) -> None:
        while jobs:
            oldest = next(iter(jobs.values()))
            if len(jobs) <= self._retention_count and not self._is_over(oldest):
                return
            del jobs[oldest.id]
            self._drop(oldest)

    def _drop(self, job: Job) -> None:
        self._accepted.pop(job.id, None)
        self._dropped[job.id] = None
        if len(self._dropped) > _REMEMBERED_IDS:
            self._dropped.popitem(last=False)
        self._on_dropped(job)

    def _drop_old_batches(self) -> None:
        while self._batches:
            oldest = next(iter(self._batches.values()))
            # The newest stays however many files it has: its client has just been told of it.
            is_too_many = self._batched_files > self._retention_count and len(self._batches) > 1
            if not is_too_many and not self._is_past(oldest.created_at):
                return
            del self._batches[oldest.id]
            self._batched_files -= len(oldest.files)
            self._on_dropped(oldest)

    def _forget_old_keys(self) -> None:
        while self._by_key:
            oldest, (_, _, since) = next(iter(self._by_key.items()))
            if time.time() - since <= self._key_retention_s:
                return
            del self._by_key[oldest]

    def _find(self, job_id: str) -> Job | None:
        return (
            self._open.get(job_id)
            or self._ended.get(job_id)
            or self._hits.get(job_id)
            or self._undelivered.get(job_id)
        )

    def _is_over(self, job: Job) -> bool:
        return self._is_past(job.completed_at or 0.0)

    def _is_past(self, moment: float) -> bool:
        return time.time() - moment > self._retention_s
