"""Results of several dispatchers: safe in the object store, fast and shared in Redis.

::

    add ──▶ open/<id> ──▶ Idempotency-Key ──▶ Redis        then the job may be queued
    save ─▶ ended/<id>, the first one counts ──▶ Redis, which tells all ──▶ open/<id> goes
    get ──▶ Redis, else open/<id> and ended/<id>

A hit is recorded before its client has its ticket, too, but those of a moment together: see
``hit_packs``.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

from dispatcher.errors import GoneError, NotFoundError, RequestError, ResultsUnavailableError
from dispatcher.jobs import Batch, CachedResult, Delivery, Job, JobState
from dispatcher.results.archive import BATCHES, ENDED, OPEN, Archive, is_id
from dispatcher.results.base import KeyTakenError, OnDue
from dispatcher.results.change_feed import ChangeFeed
from dispatcher.results.claims import Claims
from dispatcher.results.errands import Errands
from dispatcher.results.finishing import Finishing
from dispatcher.results.hit_packs import HitPacks
from dispatcher.results.ledger import IsInHand, Ledger, nobody_knows
from dispatcher.results.listing import Listing
from dispatcher.results.refilling import Refilling
from dispatcher.results.shared_batches import SharedBatches
from dispatcher.results.shared_cache import SharedCache
from dispatcher.results.shared_deliveries import ALIVE_EVERY_S, LOOK_EVERY_S, SharedDeliveries
from dispatcher.results.shared_records import CHANNEL, SharedRecords
from dispatcher.results.shared_retention import SharedRetention, TryLead
from dispatcher.results.shared_values import SharedValues
from dispatcher.results.stray_claims import StrayClaims
from dispatcher.results.unfinished import Unfinished
from dispatcher.results.waiting import WaitedFor, Waiters
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection

_log = logging.getLogger(__name__)

_COUNT_EVERY_S: Final = 1.0
_REFILL_EVERY_S: Final = 2.0
_SETTLE_S: Final = 0.7


async def _alone(duty: str, *, for_s: float) -> bool:
    """Do every duty: there is no other dispatcher."""
    return True


class RedisResultStore(WaitedFor):
    """A ``ResultStore`` for any number of dispatchers."""

    def __init__(
        self,
        redis: RedisConnection,
        objects: ObjectStore,
        *,
        retention_s: float,
        retention_count: int,
        key_retention_s: float = 24 * 3600.0,
        cache_size: int = 1000,
        on_ended: Callable[[str], None] = lambda _: None,
        on_due: OnDue = lambda _: None,
        try_lead: TryLead = _alone,
        in_hand: IsInHand = nobody_knows,
        look_every_s: float = 5.0,
    ) -> None:
        """Use two servers, which are started before and closed after.

        Args:
            redis: fast; may lose everything at any time.
            objects: what is in it is safe.
            retention_s: how long an ended job can be read, in seconds.
            retention_count: how many can be.
            key_retention_s: how long an Idempotency-Key is remembered, in seconds.
            cache_size: most results that are kept for identical images.
            on_ended: called with the id of each job that has ended, wherever.
            on_due: called with each webhook that this dispatcher has to deliver.
            try_lead: says which dispatcher does what only one shall do.
            in_hand: tells which of some jobs wait or are in work, so that lists need not ask.
            look_every_s: how often a job that somebody waits for is read although nothing was
                heard of it, in seconds; messages can be missed.
        """
        self._redis, self._objects = redis, objects
        self._try_lead = try_lead
        self._archive = Archive(objects)
        self._records = SharedRecords(redis, retention_s=retention_s)
        self._packs = HitPacks(objects)
        self._ledger = Ledger(
            self._archive,
            self._packs,
            self._records,
            is_archive_away=lambda: objects.unready() is not None,
            in_hand=in_hand,
        )
        self._waiters = Waiters(self.get)
        self._feed = ChangeFeed(
            self._waiters, look=self._ledger.ends.look, on_ended=on_ended, look_every_s=look_every_s
        )
        redis.subscribe(CHANNEL, self._feed.take)
        redis.on_return(self._feed.hurry)
        self._cache = SharedCache(redis, size=cache_size)
        self._batches = SharedBatches(
            self._archive, redis, retention_s=retention_s, retention_count=retention_count
        )
        self._claims = Claims(
            objects,
            SharedValues(redis, "key"),
            retention_s=key_retention_s,
            find_job=self._ledger.find,
        )
        self._stray = StrayClaims(
            self._claims, self._ledger, retention_s=retention_s, try_lead=try_lead
        )
        self._deliveries = SharedDeliveries(
            self._archive,
            redis,
            owner=secrets.token_hex(8),
            on_due=on_due,
            is_rightful=self._claims.holds,
        )
        self._errands = Errands()
        self._finishing = Finishing(
            self._ledger,
            claims=self._claims,
            deliveries=self._deliveries,
            message=self._feed.message,
            wake=self._waiters.wake,
            on_ended=on_ended,
            errands=self._errands,
        )
        self._unfinished = Unfinished(self._archive, self._ledger, self._claims)
        self._retention = SharedRetention(
            objects=objects,
            archive=self._archive,
            packs=self._packs,
            records=self._records,
            batches=self._batches,
            retention_s=retention_s,
            retention_count=retention_count,
            key_retention_s=key_retention_s,
            try_lead=try_lead,
        )
        self._refilling = Refilling(
            archive=self._archive,
            packs=self._packs,
            ledger=self._ledger,
            records=self._records,
            batches=self._batches,
            retention=self._retention,
            try_lead=try_lead,
        )
        self._listing = Listing(self._ledger, self._retention, self._refilling)
        self._count = 0

    def unready(self) -> str | None:
        """Say what cannot be reached; without Redis everything goes on, more slowly."""
        reasons = (self._objects.unready(), self._redis.unready())
        return "; ".join(reason for reason in reasons if reason) or None

    async def start(self) -> None:
        """Begin with what is done beside answering."""
        self._errands.every(ALIVE_EVERY_S, self._deliveries.stay_alive)
        self._errands.every(LOOK_EVERY_S, self._take_over_deliveries)
        self._errands.every(_COUNT_EVERY_S, self._recount)
        self._errands.every(_COUNT_EVERY_S, self._ledger.tell_untold)
        self._errands.every(_REFILL_EVERY_S, self._refilling.run_if_needed)
        self._errands.every(_COUNT_EVERY_S, self._packs.read_ahead)
        self._errands.loop(self._feed.run())

    async def close(self) -> None:
        """Wake whoever still waits, and finish what was begun."""
        self._waiters.close()
        await self._errands.close()
        await self._packs.close()

    async def add(self, job: Job) -> None:
        """Keep a new job; it is safe when this returns."""
        if job.state.is_terminal:
            await self._finishing.add(job)
            return
        await self._ledger.open(job)
        try:
            await self._claims.claim(job)
        except KeyTakenError:
            await self._ledger.close(job.id)
            raise
        await self._ledger.show(job)

    async def save(self, job: Job) -> bool:
        """Replace a job by its next state; False when the stored one has ended already."""
        if not job.state.is_terminal:
            is_open = await self._ledger.advance(job, message=self._feed.message(job))
            if is_open:
                self._waiters.wake(job)
            return is_open
        return await self._finishing.end(job)

    async def discard(self, job_id: str) -> None:
        """Forget a job that was never accepted.

        One with an Idempotency-Key is kept when that took too long: another dispatcher may have
        promised it meanwhile to a client who repeated the request. It is then queued again.
        """
        # Whoever waits no longer has not changed that it is to be forgotten.
        await asyncio.shield(self._errands.aside(self._unfinished.discard(job_id)))

    async def note_accepted(self, job: Job) -> None:
        """Take note that a job with an Idempotency-Key was accepted."""
        # Others then find out by themselves; its client waits for the answer.
        with contextlib.suppress(RequestError, TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                await self._claims.settle(job)

    async def get(self, job_id: str) -> Job:
        """Return a job."""
        job = await self._ledger.find(job_id) if is_id(job_id) else None
        if job is None:
            was_dropped = is_id(job_id) and await self._ledger.was_dropped(job_id)
            raise GoneError if was_dropped else NotFoundError
        if self._retention.is_over(job) and not await self._ledger.is_undelivered(job):
            raise GoneError
        return job

    async def add_batch(self, batch: Batch) -> None:
        """Keep a new batch."""
        await self._batches.add(batch)

    async def get_batch(self, batch_id: str) -> Batch:
        """Return a batch."""
        return await self._batches.get(batch_id)

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

        Raises:
            ResultsUnavailableError: Redis is away, or does not know all jobs yet.
        """
        return await self._listing.list_jobs(
            tenant=tenant, states=states, text=text, before=before, limit=limit
        )

    async def drop(self, job_ids: Collection[str]) -> int:
        """Drop ended jobs before their retention has passed; return how many were."""
        due = []
        for job_id in dict.fromkeys(job_ids):
            job = await self._ledger.find(job_id) if is_id(job_id) else None
            if job and job.state.is_terminal and not await self._ledger.is_undelivered(job):
                due.append(job_id)
        await self._retention.drop(due)
        return len(due)

    async def find_by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        """Return fingerprint and job id of the request that came with an Idempotency-Key."""
        claim = await self._claims.find(tenant, key)
        if claim is None or await self._stray.clear(tenant, key, claim):
            return None
        return claim.fingerprint, claim.job_id

    async def find_cached(self, key: str | None) -> CachedResult | None:
        """Return a good result that any dispatcher has kept; None when there is none."""
        if key is not None:
            with contextlib.suppress(ResultsUnavailableError):
                return await self._cache.find(key)
        return None

    async def keep_cached(self, key: str, cached: CachedResult) -> None:
        """Keep a good result for identical images."""
        with contextlib.suppress(ResultsUnavailableError):
            await self._cache.keep(key, cached)

    async def drop_cached(self, key: str) -> None:
        """Leave it: this process has no room for it any more, but all of them together have."""

    async def put_delivery(self, delivery: Delivery) -> None:
        """Take note of when to try next."""
        await self._deliveries.put(delivery)

    async def end_delivery(self, job_id: str) -> None:
        """Forget a webhook that was delivered, or given up."""
        await self._deliveries.end(job_id)
        with contextlib.suppress(RequestError):
            job = await self._ledger.find(job_id)
            if job is not None and job.state.is_terminal:
                await self._records.put_down(job)

    async def deliveries(self) -> list[Delivery]:
        """Return all webhooks that this dispatcher still has to deliver."""
        return await self._deliveries.own()

    async def kept(self) -> AsyncIterator[Job | Batch]:
        """Yield every record, those that have not ended first, the oldest of each kind first."""
        for folder in (OPEN, ENDED):
            for job_id in await self._archive.list_by_age(folder):
                job = await self._ledger.find(job_id)
                if job is not None and job.state.is_terminal == (folder == ENDED):
                    yield job
        async for hits in self._packs.all():
            for hit in hits:
                yield hit
        for batch_id in await self._archive.list_by_age(BATCHES):
            batch = await self._archive.find_batch(batch_id)
            if batch is not None:
                yield batch

    async def cached(self) -> AsyncIterator[tuple[str, CachedResult]]:
        """Yield every cached result with its key, the one used longest ago coming first."""
        async for key, cached in self._cache.all():
            yield key, cached

    async def drop_old(self) -> None:
        """Drop what is older than its retention, unless another dispatcher does just now."""
        with contextlib.suppress(RequestError):  # later, then
            await self._retention.drop_due()
            await self._recount()

    def count(self) -> int:
        """Return how many jobs are kept, by all dispatchers, as of a moment ago."""
        return self._count

    def open_ids(self, *, older_than_s: float) -> AsyncIterator[str]:
        """Yield the ids of jobs that were recorded as open so long ago."""
        return self._unfinished.ids(older_than_s=older_than_s)

    async def open_job(self, job_id: str) -> Job | None:
        """Return a job that is recorded as open, if it has to be done; else clear up after it."""
        return await self._unfinished.find(job_id)

    async def _take_over_deliveries(self) -> None:
        if await self._try_lead("deliveries", for_s=3 * LOOK_EVERY_S):
            await self._deliveries.take_over()

    async def _recount(self) -> None:
        self._count = await self._records.count()
