"""What a service does with what an earlier one left: nothing that was accepted is lost.

The queue has its jobs again by itself. What is left to do: count who holds which bytes, fill the
cache, let identical jobs share their work again, and watch their deadlines.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dispatcher.blobs.base import BlobStore
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.jobs import CachedResult, Job
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.logs import about

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Left:
    """What was found."""

    holds: Counter[str] = field(default_factory=Counter)
    jobs: list[Job] = field(default_factory=list)
    """Those that have not ended, and those that ended early but still have a place in the queue."""
    cached: list[tuple[str, CachedResult]] = field(default_factory=list)


class Recovery:
    """Runs once, before anything is accepted or taken off the queue."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        blobs: BlobStore,
        cache: ResultCache,
        coalescing: Coalescing,
        watch: Callable[[Job], None],
    ) -> None:
        """Recover into these rooms.

        Args:
            queue: has its jobs already.
            results: has its records already.
            blobs: knows nothing of who holds its bytes.
            cache: is empty.
            coalescing: is empty.
            watch: minds the deadline of a job.
        """
        self._queue = queue
        self._results = results
        self._blobs = blobs
        self._cache = cache
        self._coalescing = coalescing
        self._watch = watch

    async def run(self) -> int:
        """Recover; return how many jobs go on."""
        left = await self._look()
        missing = set(await self._blobs.adopt(left.holds))
        if missing:
            _log.error("%d images or pictures are no longer there", len(missing))
        await self._fill_cache(left.cached, missing)
        unfinished = [job for job in left.jobs if not job.state.is_terminal]
        placeless = [job for job in unfinished if self._queue.position(job.id) is None]
        # Leaders first, in the order of their acceptance.
        for job in unfinished:
            if self._queue.position(job.id) is not None and job.digest not in missing:
                self._let_lead(job)
        followed = {job.work_key for job in placeless if job.digest not in missing}
        for job in left.jobs:
            if job.state.is_terminal:
                await self._settle_ended(job, is_followed=job.work_key in followed)
        for job in placeless:
            await self._find_place(job, may_lead=job.digest not in missing)
        for job in unfinished:
            self._watch(job)
        return len(unfinished)

    async def _look(self) -> _Left:
        left = _Left()
        async for record in self._results.kept():
            left.holds.update(record.holds)
            if isinstance(record, Job) and (
                not record.state.is_terminal or self._queue.position(record.id) is not None
            ):
                left.jobs.append(record)
        async for key, cached in self._results.cached():
            left.holds.update(cached.holds)
            left.cached.append((key, cached))
        return left

    async def _fill_cache(self, results: list[tuple[str, CachedResult]], missing: set[str]) -> None:
        for key, cached in results:
            if missing.isdisjoint(cached.holds):
                dropped = self._cache.put(key, cached)
            else:
                dropped = [(key, cached)]
            for dropped_key, gone in dropped:
                await self._results.drop_cached(dropped_key)
                for digest in gone.holds:
                    await self._blobs.release(digest)

    def _let_lead(self, job: Job) -> None:
        if job.work_key and self._coalescing.find(job.work_key) is None:
            flight = self._coalescing.take_off(job)
            flight.accepted.set_result(None)

    async def _settle_ended(self, job: Job, *, is_followed: bool) -> None:
        """Have a job that ended early done for its followers only, who hold its image.

        While nobody did, an identical image that came now would follow work that cannot be done.
        """
        if is_followed and self._coalescing.find(job.work_key) is None:
            self._let_lead(job)
        else:
            await self._queue.withdraw(job.id)

    async def _find_place(self, job: Job, *, may_lead: bool) -> None:
        """Let a job follow another or wait by itself, unless it was never accepted."""
        if not job.coalesced:
            _log.warning("a job without a place in the queue goes", extra=about(job))
            # It would have been kept together with it.
            await self._results.discard(job.id)
            for digest in job.holds:
                await self._blobs.release(digest)
            return
        flight = self._coalescing.find(job.work_key)
        if flight is not None:
            flight.followers.append(job)
            return
        await self._queue.put([job], is_admitted=True)
        if may_lead:
            self._let_lead(job)
