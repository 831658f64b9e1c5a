"""Results in the database: what was accepted and what came of it survives the process.

Jobs that have not ended are in memory, too, and so are the latest that have; a job that ends is
told to those who wait for it once that is safe.
"""

import asyncio
import contextlib
import itertools
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Final

import msgspec

from dispatcher.errors import GoneError, NotFoundError, StorageFullError
from dispatcher.jobs import Batch, CachedResult, Delivery, Job, JobState
from dispatcher.results import statements
from dispatcher.results.base import OnDropped, OnDue
from dispatcher.results.matching import matches
from dispatcher.results.one_process import OneProcess
from dispatcher.results.retention import Retention
from dispatcher.results.sqlite_batches import SqliteBatches
from dispatcher.results.waiting import WaitedFor, Waiters
from dispatcher.storage.writer import Writer
from dispatcher.storage.writes import Write

_RECENT: Final = 1000
"""How many ended jobs are kept in memory."""
_PAGE: Final = 500
_BEHIND_ALL: Final = 2**62
_encode = msgspec.json.encode
_job = msgspec.json.Decoder(Job)
_cached_result = msgspec.json.Decoder(CachedResult)


class SqliteResultStore(OneProcess, WaitedFor):
    """A ``ResultStore`` for one process at a time."""

    def __init__(
        self,
        writer: Writer,
        *,
        retention_s: float,
        retention_count: int,
        key_retention_s: float = 24 * 3600.0,
        on_dropped: OnDropped = lambda _: None,
        on_due: OnDue = lambda _: None,
    ) -> None:
        self._writer = writer
        self._key_retention_s = key_retention_s
        self._on_dropped = on_dropped
        self._on_due = on_due
        self._retention = Retention(retention_s=retention_s, retention_count=retention_count)
        self._places: dict[str, int] = {}
        """Id of each kept job to its key in the database."""
        self._next_place = itertools.count(1)
        self._open: dict[str, Job] = {}
        self._ending: set[str] = set()
        """Jobs whose end is being committed."""
        self._recent: OrderedDict[str, Job] = OrderedDict()
        self._gone: dict[str, None] = {}
        self._undelivered: set[str] = set()
        self._cached: dict[str, int] = {}
        """Key of each cached result to its key in the database."""
        self._next_cached = itertools.count(1)
        self._batches = SqliteBatches(
            writer,
            retention_s=retention_s,
            retention_count=retention_count,
            on_dropped=on_dropped,
        )
        self._hits: statements.HitInsertion | None = None
        """Hits that go in with the next commit."""
        self._hits_kept: asyncio.Future[None]
        self._waiters = Waiters(self.get)

    async def start(self) -> None:
        """Read what is there."""
        await self._writer.start()
        read = self._writer.read
        self._undelivered = {job_id for job_id, *_ in read(statements.DELIVERIES)}
        for place, job_id, is_hit, ended_at in read(statements.JOBS):
            self._places[job_id] = place
            if ended_at is not None and job_id not in self._undelivered:
                self._retention.add(job_id, is_hit=bool(is_hit), ended_at=ended_at)
        self._next_place = itertools.count(max(self._places.values(), default=0) + 1)
        for (document,) in read(statements.OPEN_JOBS):
            job = _job.decode(document)
            self._open[job.id] = job
        self._cached = {key: place for place, key, _ in read(statements.CACHED)}
        self._next_cached = itertools.count(max(self._cached.values(), default=0) + 1)
        self._gone = {job_id: None for (job_id,) in read(statements.GONE)}
        self._batches.start()

    async def close(self) -> None:
        """Wake whoever still waits."""
        self._waiters.close()

    async def add(self, job: Job) -> None:
        """Keep a new job."""
        if job.id in self._places:
            return
        document = _encode(job)
        place = self._places[job.id] = next(self._next_place)
        if job.from_cache and job.webhook_url is None and job.idempotency is None:
            await self._add_hit(job, place, document)
            return
        write = statements.insertion(job, place, document)
        if job.state.is_terminal:
            await self._end(job, write, is_new_work=True)
            return
        self._open[job.id] = job
        done = self._writer.submit(write, is_new_work=True)
        if job.coalesced:
            await done  # no place in the queue will make it safe

    async def save(self, job: Job) -> bool:
        """Replace a job by its next state; False when the stored one has ended already."""
        if job.id not in self._open or job.id in self._ending:
            return False
        if job.state.is_terminal:
            await self._end(job, statements.ending(job, self._places[job.id], _encode(job)))
        else:
            # Not written: after a crash it is queued again.
            self._open[job.id] = job
            self._waiters.wake(job)
        return True

    async def discard(self, job_id: str) -> None:
        """Forget a job that was never accepted."""
        job = self._open.pop(job_id, None)
        if job is not None:
            # Whoever looks for its Idempotency-Key from now on waits until it is gone.
            self._writer.post(statements.discarding(job, self._places.pop(job_id)))

    async def get(self, job_id: str) -> Job:
        """Return a job."""
        job = self._open.get(job_id) or self._recent.get(job_id) or self._load(job_id)
        is_over = job.state.is_terminal and self._is_past(job.completed_at or 0.0)
        if is_over and job_id not in self._undelivered:
            await self.drop_old()
            raise GoneError
        return job

    async def add_batch(self, batch: Batch) -> None:
        """Keep a new batch."""
        await self._batches.add(batch)

    async def get_batch(self, batch_id: str) -> Batch:
        """Return a batch."""
        return self._batches.get(batch_id)

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
        with contextlib.suppress(StorageFullError):
            await self._writer.catch_up()
        found: list[Job] = []
        place = _BEHIND_ALL if before is None else self._places.get(before, 0)
        page = _PAGE if states or text else limit
        while len(found) < limit:
            if tenant is None:
                rows = self._writer.read(statements.PAGE_OF_ALL, (place, page))
            else:
                rows = self._writer.read(statements.PAGE, (place, tenant, page))
            for _, job_id, document in rows:
                job = self._open.get(job_id) or _job.decode(document)
                if matches(job, states=states, text=text):
                    found.append(job)
            if len(rows) < page:
                break
            place = rows[-1][0]
            await asyncio.sleep(0)  # of some kinds there may be few among very many
        return found[:limit]

    async def drop(self, job_ids: Collection[str]) -> int:
        """Drop ended jobs before their retention has passed; return how many were."""
        due = [job_id for job_id in dict.fromkeys(job_ids) if job_id in self._retention]
        await asyncio.shield(self._drop_jobs(due))
        return len(due)

    async def find_by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and job id of the request that came with an Idempotency-Key."""
        await self._writer.catch_up()
        oldest = time.time() - self._key_retention_s
        rows = self._writer.read(statements.BY_KEY, (tenant, key, oldest))
        return (rows[0][0], rows[0][1]) if rows else None

    async def keep_cached(self, key: str, cached: CachedResult) -> None:
        """Keep a good result for identical images."""
        await self.drop_cached(key)
        place = self._cached[key] = next(self._next_cached)
        self._writer.post(statements.caching(key, place, _encode(cached)))

    async def drop_cached(self, key: str) -> None:
        """Forget that result."""
        place = self._cached.pop(key, None)
        if place is not None:
            self._writer.post(statements.running(statements.DROP_CACHED, (place,)))

    async def put_delivery(self, delivery: Delivery) -> None:
        """Take note of when to try next."""
        self._undelivered.add(delivery.job_id)
        await self._writer.submit(statements.delivery(delivery))

    async def end_delivery(self, job_id: str) -> None:
        """Forget a webhook that was delivered, or given up."""
        await self._writer.submit(statements.running(statements.END_DELIVERY, (job_id,)))
        if job_id in self._undelivered:
            self._undelivered.discard(job_id)
            with contextlib.suppress(NotFoundError, GoneError):  # of no job that is kept
                self._retain(self._recent.get(job_id) or self._load(job_id))

    async def deliveries(self) -> list[Delivery]:
        """Return all webhooks that are still to be delivered."""
        with contextlib.suppress(StorageFullError):
            await self._writer.catch_up()
        return [Delivery(*row) for row in self._writer.read(statements.DELIVERIES)]

    async def kept(self) -> AsyncIterator[Job | Batch]:
        """Yield every record, the oldest first."""
        await self._writer.catch_up()
        for (document,) in self._writer.read(statements.ALL_JOBS):
            yield _job.decode(document)
        for batch in self._batches.kept():
            yield batch

    async def cached(self) -> AsyncIterator[tuple[str, CachedResult]]:
        """Yield every cached result with its key, the oldest first."""
        await self._writer.catch_up()
        for _, key, document in self._writer.read(statements.CACHED):
            yield key, _cached_result.decode(document)

    async def drop_old(self) -> None:
        """Drop what is older than its retention."""
        # What was dropped has to be handed over, also when nobody waits for it any more.
        await asyncio.shield(self._drop_due())
        await self._batches.drop_old()
        oldest_key = time.time() - self._key_retention_s
        self._writer.post(statements.running(statements.DROP_KEYS, (oldest_key,)))

    def count(self) -> int:
        """Return how many jobs are kept."""
        return len(self._places)

    async def _add_hit(self, job: Job, place: int, document: bytes) -> None:
        """Keep a job that was answered at once; those of a moment go in with one statement.

        They come by the thousand a second, so that every microsecond counts.
        """
        if self._hits is None or self._hits.has_run or self._hits_kept.done():
            self._hits = statements.HitInsertion()
            self._hits_kept = self._writer.submit(self._hits, is_new_work=True)
        kept = self._hits_kept
        self._hits.add(job, place, document)
        self._remember(job)
        try:
            await asyncio.shield(kept)
        except Exception:
            self._retention.discard(job.id)
            self._recent.pop(job.id, None)
            self._places.pop(job.id, None)
            raise
        await self._drop_surplus(job)

    async def _end(self, job: Job, write: Write, *, is_new_work: bool = False) -> None:
        """Make a job's end safe, then let it be seen."""
        self._ending.add(job.id)
        if job.webhook_url is not None:
            self._undelivered.add(job.id)
        done = self._writer.submit(write, is_new_work=is_new_work)
        done.add_done_callback(partial(self._note_end, job))
        # Whoever is stopped while it waits has not undone what was asked for.
        await asyncio.shield(done)
        await self._drop_surplus(job)

    def _note_end(self, job: Job, done: "asyncio.Future[None]") -> None:
        self._ending.discard(job.id)
        if done.cancelled() or done.exception() is not None:
            self._undelivered.discard(job.id)
            if job.id not in self._open:  # it had ended when it came
                self._places.pop(job.id, None)
            return
        self._open.pop(job.id, None)
        self._remember(job)
        self._waiters.wake(job)
        if job.webhook_url is not None:
            self._on_due(Delivery(job.id, due_at=job.completed_at or job.queued_at))

    def _remember(self, job: Job) -> None:
        if job.id not in self._undelivered:
            self._retain(job)
        self._recent[job.id] = job
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def _retain(self, job: Job) -> None:
        """Keep an ended job for as long as any."""
        self._retention.add(
            job.id, is_hit=job.from_cache, ended_at=job.completed_at or job.queued_at
        )

    async def _drop_surplus(self, job: Job) -> None:
        if self._retention.has_surplus() or self._is_past(job.completed_at or 0.0):
            await asyncio.shield(self._drop_due())

    async def _drop_due(self) -> None:
        await self._drop_jobs(self._retention.due(now=time.time()))

    async def _drop_jobs(self, due: list[str]) -> None:
        if not due:
            return
        for job_id in due:
            self._retention.discard(job_id)
            self._recent.pop(job_id, None)
            self._gone[job_id] = None
        surplus = max(0, len(self._gone) - statements.GONE_REMEMBERED)
        for job_id in list(itertools.islice(self._gone, surplus)):
            del self._gone[job_id]
        drop = statements.JobDrop([self._places.pop(job_id) for job_id in due])
        await self._writer.submit(drop)
        for document in drop.documents:
            self._on_dropped(_job.decode(document))

    def _load(self, job_id: str) -> Job:
        place = self._places.get(job_id)
        rows = [] if place is None else self._writer.read(statements.JOB, (place,))
        if rows:
            return _job.decode(rows[0][0])
        raise GoneError if job_id in self._gone else NotFoundError

    def _is_past(self, moment: float) -> bool:
        return self._retention.is_past(moment, now=time.time())
