"""How jobs end: with the outcome of their work, or before, because nobody waits any more.

Work is done for as long as somebody wants it. A job that ended early and is followed by identical
ones is still run, for them; when the last one has gone the work stops. What it holds of the blob
store goes by three rules: a follower holds the image by itself; a leader that ends early leaves
its hold to the flight, if there are others in it; the pictures of an outcome that came too late
for its own job go once every follower has held them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import AlreadyEndedError, GoneError, NotFoundError, RequestError
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing, Flight
from dispatcher.jobs import CachedResult, Job, JobState
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.logs import about
from dispatcher.telemetry.tracing import record_shared
from step_app.contract.spans import NO_TRACING, Tracer

_log = logging.getLogger(__name__)


class Endings:
    """Ends jobs, and tells those who wait for the same work."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        blobs: BlobStore,
        cache: ResultCache,
        coalescing: Coalescing,
        figures: Figures,
        stop_work: Callable[[str], None],
        forget: Callable[[str], None],
        tracer: Tracer = NO_TRACING,
    ) -> None:
        """End jobs of these rooms.

        Args:
            queue: where they wait.
            results: where they are kept.
            blobs: where their pictures are.
            cache: where good results are kept.
            coalescing: who waits for whom.
            figures: count every end.
            stop_work: ends the work on a job that was taken off the queue.
            forget: minds the deadline of a job no longer.
            tracer: records what waited for the work of another job.
        """
        self._queue = queue
        self._results = results
        self._blobs = blobs
        self._cache = cache
        self._coalescing = coalescing
        self._figures = figures
        self._stop_work = stop_work
        self._forget = forget
        self._tracer = tracer
        self._entering: set[str] = set()

    @contextmanager
    def entering(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Keep jobs that are not accepted yet, and may be refused, from being cancelled."""
        ids = {job.id for job in jobs}
        self._entering |= ids
        try:
            yield
        finally:
            self._entering -= ids

    async def cancel(self, job: Job) -> Job:
        """End a job that its client no longer wants, and return it.

        Raises:
            AlreadyEndedError: it has ended.
            NotFoundError: it is not accepted yet.
        """
        if job.id in self._entering:
            raise NotFoundError
        cancelled = job.cancelled(time.time())
        if job.state.is_terminal or not await self._end_early(cancelled):
            raise AlreadyEndedError
        return cancelled

    async def expire(self, job_id: str) -> None:
        """End a job whose deadline has passed; nothing when it has ended."""
        try:
            job = await self._results.get(job_id)
        except (NotFoundError, GoneError):
            return
        if not job.state.is_terminal:
            await self._end_early(job.expired(time.time()))

    async def settle(self, outcome: Job, *, is_kept: bool = True) -> None:
        """Take note of the outcome of work: keep a good result, answer those who waited for it.

        Args:
            outcome: the job that was worked on, as it ended.
            is_kept: whether that is its end; False when it had ended early.
        """
        if (
            outcome.state is JobState.COMPLETED
            and not outcome.from_cache
            and outcome.result_key is not None
            # Another revision than the key names may have answered during a roll-out.
            and outcome.revision == outcome.expected_revision
        ):
            try:
                await self._keep(outcome.result_key, outcome)
            except RequestError as exc:  # the job has ended, and others wait to be told
                _log.warning("a result is not kept for others: %s", exc, extra=about(outcome))
        flight = self._coalescing.led_by(outcome.id)
        await self._settle_followers(outcome)
        if is_kept:
            self._forget(outcome.id)
            await self._let_go(outcome)
        elif flight is None:
            await self._release_outputs(outcome)
        else:
            flight.is_void = True
            await self.close(flight)

    async def settle_elsewhere(self, outcome: Job) -> None:
        """Answer those here who waited for a job that another dispatcher has ended."""
        self._forget(outcome.id)
        await self._settle_followers(outcome)

    async def _settle_followers(self, outcome: Job) -> None:
        followers = self._coalescing.land(outcome.id, outcome=outcome)
        # Together: they share a commit, and one that cannot be ended keeps back no other.
        settled = await asyncio.gather(
            *(self.settle_follower(follower, outcome) for follower in followers),
            return_exceptions=True,
        )
        for follower, error in zip(followers, settled, strict=True):
            if error is not None:
                _log.error("a follower cannot be ended", exc_info=error, extra=about(follower))

    async def settle_follower(self, follower: Job, leader: Job) -> None:
        """End a job like the identical one that was computed for both."""
        settled = follower.settled_like(leader)
        for output in settled.outputs:
            await self._blobs.hold(output.digest)
        if await self._results.save(settled):
            record_shared(self._tracer, settled, leader)
            self._figures.count_ended(settled)
            self._forget(settled.id)
            await self._let_go(settled)
        else:
            await self._release_outputs(settled)

    async def settle_linked(self, job_id: str, outcome: Job) -> None:
        """End a job that another dispatcher has accepted like the identical one computed here."""
        try:
            job = await self._results.get(job_id)
        except (NotFoundError, GoneError):
            return
        if not job.state.is_terminal:
            await self.settle_follower(job, outcome)

    async def find_answer(self, job: Job) -> Job | None:
        """Return a job as completed by what another dispatcher has found out; else None."""
        cached = await self._results.find_cached(job.result_key)
        if cached is None or not await self.hold_outputs(cached):
            return None
        return job.answered(time.time(), cached.result, cached.outputs, cached.revision)

    async def hold_outputs(self, result: CachedResult) -> bool:
        """Hold the pictures of a result for one more owner; False when one is gone."""
        for number, output in enumerate(result.outputs):
            if not await self._blobs.hold(output.digest):
                for held in result.outputs[:number]:
                    await self._blobs.release(held.digest)
                return False
        return True

    async def close(self, flight: Flight) -> None:
        """Take note that one who was about to follow a flight now does, or never will.

        Work that nobody wants any more is stopped; the pictures of a void outcome go when no one
        else can ask for them.
        """
        if flight.joining:
            return
        if flight.is_void:
            flight.is_void = False
            await self._release_hold(flight)
            if flight.outcome is not None:
                await self._release_outputs(flight.outcome)
        elif not flight.is_wanted and self._coalescing.led_by(flight.leader.id) is flight:
            self._coalescing.land(flight.leader.id, outcome=None)
            await self._stop(flight.leader.id)
            await self._release_hold(flight)

    async def _end_early(self, ended: Job) -> bool:
        """End a job before its work does; False when it has ended."""
        if not await self._results.save(ended):
            return False
        self._figures.count_ended(ended)
        self._forget(ended.id)
        flight = self._coalescing.led_by(ended.id)
        if flight is not None:
            flight.has_leader = False
            flight.owes_hold = bool(ended.media_type)
            await self.close(flight)
            return True
        flight = self._coalescing.leave(ended)
        if flight is None:
            await self._stop(ended.id)
        else:
            await self.close(flight)
        await self._let_go(ended)
        return True

    async def _stop(self, job_id: str) -> None:
        if not await self._queue.withdraw(job_id):
            self._stop_work(job_id)

    async def _keep(self, key: str, job: Job) -> None:
        kept = CachedResult(job.result, job.outputs, job.revision)
        if self._cache.max_size and await self.hold_outputs(kept):
            for dropped_key, dropped in self._cache.put(key, kept):
                await self._results.drop_cached(dropped_key)
                for digest in dropped.holds:
                    await self._blobs.release(digest)
            await self._results.keep_cached(key, kept)

    async def _let_go(self, ended: Job) -> None:
        """End the hold of a job on its image, unless it may be run again."""
        if ended.media_type and not ended.keeps_image:
            await self._blobs.release(ended.digest)

    async def _release_hold(self, flight: Flight) -> None:
        """End the hold on the image that a leader left to its flight."""
        if flight.owes_hold:
            flight.owes_hold = False
            await self._blobs.release(flight.leader.digest)

    async def _release_outputs(self, job: Job) -> None:
        for output in job.outputs:
            await self._blobs.release(output.digest)
