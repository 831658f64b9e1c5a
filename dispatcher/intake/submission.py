"""From an upload to a job: answered from the cache, joined to its twin, queued, or refused."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from dispatcher.blobs.base import BlobStore
from dispatcher.crash_points import crash_point
from dispatcher.errors import (
    DrainingError,
    OverloadedError,
    RequestError,
    UnknownPipelineError,
)
from dispatcher.intake.admission import MIN_RETRY_AFTER_S, Admission
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing, Flight
from dispatcher.intake.digest import coalescing_key, result_key
from dispatcher.intake.endings import Endings
from dispatcher.intake.idempotency import Repeats
from dispatcher.intake.sniffing import ImageKind, sniff
from dispatcher.intake.upload import Upload
from dispatcher.jobs import Idempotency, Job, OperationSpec, Priority
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pipelines.overrides import Overrides, parse_overrides, with_tiles
from dispatcher.pipelines.store import PipelineStore
from dispatcher.queues.base import JobQueue, QueueFullError
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import CacheOutcome, Figures


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What a client asked for, beside the image."""

    pipeline: str = "default"
    params: str | None = None
    tiles: int | None = None
    use_cache: bool = True
    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    webhook_url: str | None = None
    tenant: str = ""
    idempotency: Idempotency | None = None


class Intake:
    """Accepts jobs."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        blobs: BlobStore,
        pipelines: PipelineStore,
        cache: ResultCache,
        coalescing: Coalescing,
        endings: Endings,
        figures: Figures,
        watch: Callable[[Job], None],
        is_draining: Callable[[], bool],
        admission: Admission,
    ) -> None:
        self._queue = queue
        self._results = results
        self._blobs = blobs
        self._pipelines = pipelines
        self._cache = cache
        self._coalescing = coalescing
        self._endings = endings
        self._figures = figures
        self._watch = watch
        self._is_draining = is_draining
        self._admission = admission
        self._repeats = Repeats(results)

    async def submit(self, upload: Upload, options: SubmitOptions) -> Job:
        """Accept an image.

        Returns:
            The job: ended already when its result was known, else queued. When the request
            repeats an earlier one by its Idempotency-Key, the job of that one.

        Raises:
            RequestError: it was not accepted, and nothing of it is kept.
        """
        if options.idempotency is None:
            return await self._submit(upload, options)
        return await self._repeats.accept_once(
            options.tenant, options.idempotency, lambda: self._submit(upload, options)
        )

    async def _submit(self, upload: Upload, options: SubmitOptions) -> Job:
        self.check_open()
        pipeline = self._pipelines.get(options.pipeline)
        if pipeline.id == OPERATIONS_PIPELINE:
            raise UnknownPipelineError("Operations are sent to POST /process.")
        overrides = parse_overrides(options.params, pipeline)
        if options.tiles is not None:
            overrides = with_tiles(overrides, pipeline, options.tiles)
        job = new_job(
            filename=upload.filename,
            digest=upload.digest,
            pipeline=pipeline,
            overrides=overrides,
            options=options,
        )
        if not options.use_cache:
            job, image = _sniffed(job, upload)
            await self._enqueue(job, image)
            self._figures.count_accepted(CacheOutcome.BYPASS)
            return job
        answered = await self.answer_from_cache(job)
        if answered is not None:
            return answered
        job = with_work_key(job, pipeline)
        flight = self._coalescing.find(job.work_key)
        if flight is not None:
            return await self.follow(flight, job)
        job, image = _sniffed(job, upload)
        await self._lead(self._coalescing.take_off(job), job, image)
        return job

    def check_open(self) -> None:
        """Return when new work is taken.

        Raises:
            DrainingError: the service is about to end.
        """
        if self._is_draining():
            raise DrainingError(retry_after_s=MIN_RETRY_AFTER_S)

    async def answer_from_cache(self, job: Job) -> Job | None:
        """Return the job as answered by an earlier result; None when there is none."""
        cached = self._cache.get(job.result_key)
        if cached is None or not await self._endings.hold_outputs(cached):
            return None
        answered = job.served_from_cache(cached.result, cached.outputs, cached.revision)
        try:
            await self._results.add(answered)
        except RequestError:  # there is no space for it
            for output in answered.outputs:
                await self._blobs.release(output.digest)
            raise
        self._figures.count_accepted(CacheOutcome.HIT)
        self._figures.count_ended(answered)
        return answered

    async def follow(self, flight: Flight, job: Job) -> Job:
        """Wait for the leader to be accepted, then for its result, instead of being queued.

        Raises:
            RequestError: the leader was refused.
        """
        try:
            with flight.being_joined():
                return await self._follow(flight, job)
        finally:
            await self._endings.close(flight)

    async def _follow(self, flight: Flight, job: Job) -> Job:
        await asyncio.shield(flight.accepted)
        job = replace(job, coalesced=True)
        # Its own hold, for its leader may be cancelled; there is none when that has just ended.
        if self._blobs.hold(job.digest):
            job = _described_like(job, flight.leader)
        try:
            await self._results.add(job)
        except BaseException:  # also when the client leaves meanwhile
            await self._results.discard(job.id)
            if job.media_type:
                await self._blobs.release(job.digest)
            raise
        self._figures.count_accepted(CacheOutcome.COALESCED)
        # Kept before it joins: whoever settles the flight finds every follower in the store.
        if flight.outcome is None:
            flight.followers.append(job)
            self._watch(job)
        else:
            await self._endings.settle_follower(job, flight.outcome)
        return job

    def admit(self, jobs: Sequence[Job]) -> None:
        """Return when jobs of one pipeline may be queued.

        Raises:
            NoReplicaError: nobody could do them, and has not been able to for long.
            OverloadedError: too much waits already.
        """
        self._admission.admit(jobs)

    async def enqueue(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> None:
        """Queue jobs of one pipeline, whose images are held already: all of them or none.

        Args:
            jobs: what to queue.
            is_admitted: whether they belong to a batch of which some were queued before.

        Raises:
            OverloadedError: the queue is full.
        """
        try:
            with self._endings.entering(jobs):
                for job in jobs:
                    await self._results.add(job)
                depth = await self._queue.put(jobs, is_admitted=is_admitted)
            crash_point("after_commit_before_202")
        except BaseException as exc:  # also when the client leaves meanwhile
            for job in jobs:
                await self._results.discard(job.id)
            if isinstance(exc, QueueFullError):
                after_s = self._admission.retry_after_s()
                raise OverloadedError(retry_after_s=after_s) from exc
            raise
        self._figures.note_queued(len(jobs), depth=depth)
        for job in jobs:
            self._watch(job)

    async def _lead(self, flight: Flight, job: Job, image: bytes) -> None:
        try:
            await self._enqueue(job, image)
        except BaseException as exc:
            self.ground(flight, job, exc)
            raise
        self.lift(flight)

    def lift(self, flight: Flight) -> None:
        """Take note that the leader of a flight is in the queue."""
        flight.accepted.set_result(None)
        self._figures.count_accepted(CacheOutcome.MISS)

    def ground(self, flight: Flight, leader: Job, reason: BaseException) -> None:
        """Refuse those who follow a leader that was refused."""
        self._coalescing.land(leader.id, outcome=None)
        again = OverloadedError(retry_after_s=MIN_RETRY_AFTER_S)
        flight.accepted.set_exception(reason if isinstance(reason, RequestError) else again)

    async def _enqueue(self, job: Job, image: bytes) -> None:
        self.admit([job])
        await self._blobs.put(job.digest, image)
        crash_point("blob_written")
        try:
            await self.enqueue([job])
        except BaseException:
            await self._blobs.release(job.digest)
            raise


def new_job(
    *,
    filename: str,
    digest: str,
    pipeline: Pipeline,
    overrides: Overrides,
    operations: Sequence[OperationSpec] = (),
    options: SubmitOptions,
) -> Job:
    """Return a job that nobody knows of yet."""
    tenant, shares = options.tenant, options.use_cache
    return Job(
        id=str(uuid.uuid4()),
        filename=filename,
        digest=digest,
        pipeline_id=pipeline.id,
        queued_at=time.time(),
        overrides=overrides,
        operations=tuple(operations),
        result_key=result_key(digest, pipeline, overrides, tenant=tenant) if shares else None,
        expected_revision=pipeline.revision,
        tenant=tenant,
        priority=options.priority,
        deadline_s=options.deadline_s,
        webhook_url=options.webhook_url,
        idempotency=options.idempotency,
    )


def with_work_key(job: Job, pipeline: Pipeline) -> Job:
    """Return a job with what makes it the same work as another; a hit never needs to know."""
    key = coalescing_key(job.digest, pipeline, job.overrides, tenant=job.tenant)
    return replace(job, work_key=key)


def described(job: Job, kind: ImageKind) -> Job:
    """Return a job with what the header of its image says."""
    return replace(job, media_type=kind.media_type, width=kind.width, height=kind.height)


def _described_like(job: Job, other: Job) -> Job:
    """Return a job with what the header of the same image said before."""
    return replace(
        job,
        media_type=other.media_type,
        width=other.width,
        height=other.height,
        size_bytes=other.size_bytes,
    )


def _sniffed(job: Job, upload: Upload) -> tuple[Job, bytes]:
    """Return the image's bytes, once their header says that they are one."""
    image = upload.image()
    return replace(described(job, sniff(image)), size_bytes=len(image)), image
