"""From an upload to a job: answered from the cache, joined to its twin, queued, or refused."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import DrainingError, OverloadedError, RequestError
from dispatcher.intake.admission import MIN_RETRY_AFTER_S, admit, retry_after_s
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing, Flight
from dispatcher.intake.digest import coalescing_key, result_key
from dispatcher.intake.sniffing import sniff
from dispatcher.intake.upload import Upload
from dispatcher.jobs import Job, JobState
from dispatcher.pipelines.overrides import parse_overrides
from dispatcher.pipelines.store import PipelineStore
from dispatcher.queues.base import JobQueue, QueueFullError
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import CacheOutcome, Figures


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What a client asked for, beside the image."""

    pipeline: str = "default"
    params: str | None = None
    use_cache: bool = True


class Intake:
    """Accepts jobs and settles those that wait for an identical one."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        blobs: BlobStore,
        pipelines: PipelineStore,
        cache: ResultCache,
        coalescing: Coalescing,
        figures: Figures,
        is_draining: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._results = results
        self._blobs = blobs
        self._pipelines = pipelines
        self._cache = cache
        self._coalescing = coalescing
        self._figures = figures
        self._is_draining = is_draining

    async def submit(self, upload: Upload, options: SubmitOptions) -> Job:
        """Accept an image.

        Returns:
            The job: ended already when its result was known, else queued.

        Raises:
            RequestError: it was not accepted, and nothing of it is kept.
        """
        if self._is_draining():
            raise DrainingError(retry_after_s=MIN_RETRY_AFTER_S)
        pipeline = self._pipelines.get(options.pipeline)
        overrides = parse_overrides(options.params, pipeline)
        job = Job(
            id=str(uuid.uuid4()),
            filename=upload.filename,
            digest=upload.digest,
            pipeline_id=pipeline.id,
            queued_at=time.time(),
            overrides=overrides,
            result_key=(
                result_key(upload.digest, pipeline, overrides) if options.use_cache else None
            ),
            expected_revision=pipeline.revision,
        )
        if not options.use_cache:
            await self._enqueue(job, _sniffed(upload))
            self._figures.count_accepted(CacheOutcome.BYPASS)
            return job
        cached = self._cache.get(job.result_key)
        if cached is not None:
            answered = job.served_from_cache(cached.result, cached.revision)
            await self._results.add(answered)
            self._figures.count_accepted(CacheOutcome.HIT)
            self._figures.count_ended(answered)
            return answered
        key = coalescing_key(upload.digest, pipeline, overrides)
        flight = self._coalescing.find(key)
        if flight is not None:
            return await self._follow(flight, job)
        image = _sniffed(upload)
        await self._lead(self._coalescing.take_off(key, job.id), job, image)
        return job

    async def settle(self, job: Job) -> None:
        """Take note that a job has ended: keep a good result, answer those who waited for it."""
        if (
            job.state is JobState.COMPLETED
            and job.result is not None
            and job.result_key is not None
            # Another revision than the key names may have answered during a roll-out.
            and job.revision == job.expected_revision
        ):
            self._cache.put(job.result_key, job.result, job.revision)
        for follower in self._coalescing.land(job.id, outcome=job):
            await self._settle_follower(follower, job)
        await self._blobs.release(job.digest)

    async def _settle_follower(self, follower: Job, leader: Job) -> None:
        settled = follower.settled_like(leader)
        if await self._results.save(settled):
            self._figures.count_ended(settled)

    async def _follow(self, flight: Flight, job: Job) -> Job:
        """Wait for the leader to be accepted, then for its result, instead of being queued."""
        job = replace(job, coalesced=True)
        await asyncio.shield(flight.accepted)
        await self._results.add(job)
        self._figures.count_accepted(CacheOutcome.COALESCED)
        # Kept before it joins: whoever settles the flight finds every follower in the store.
        if flight.outcome is None:
            flight.followers.append(job)
        else:
            await self._settle_follower(job, flight.outcome)
        return job

    async def _lead(self, flight: Flight, job: Job, image: bytes) -> None:
        try:
            await self._enqueue(job, image)
        except BaseException as exc:
            self._coalescing.land(job.id, outcome=None)
            again = OverloadedError(retry_after_s=MIN_RETRY_AFTER_S)
            flight.accepted.set_exception(exc if isinstance(exc, RequestError) else again)
            raise
        flight.accepted.set_result(None)
        self._figures.count_accepted(CacheOutcome.MISS)

    async def _enqueue(self, job: Job, image: bytes) -> None:
        depth, capacity = self._queue.depth(), self._queue.capacity
        drain_rate = self._figures.drain_rate()
        admit(
            depth=depth,
            capacity=capacity,
            drain_rate=drain_rate,
        )
        await self._blobs.put(job.digest, image)
        try:
            await self._results.add(job)
            depth = await self._queue.put(job.id)
        except BaseException as exc:  # also when the client leaves meanwhile
            await self._results.discard(job.id)
            await self._blobs.release(job.digest)
            if isinstance(exc, QueueFullError):
                raise OverloadedError(retry_after_s=retry_after_s(depth, drain_rate)) from exc
            raise
        self._figures.note_depth(depth)


def _sniffed(upload: Upload) -> bytes:
    """Return the image's bytes, once their header says that they are one."""
    image = upload.image()
    sniff(image)
    return image
