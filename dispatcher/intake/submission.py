"""From an upload to a job: answered from the cache, joined to its twin, queued, or refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext

from msgspec.structs import replace

from dispatcher.blobs.base import BlobStore
from dispatcher.crash_points import crash_point
from dispatcher.errors import (
    DrainingError,
    NotAcceptingError,
    OverloadedError,
    RequestError,
    UnknownPipelineError,
)
from dispatcher.intake.admission import MIN_RETRY_AFTER_S, Admission
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing, Flight
from dispatcher.intake.concurrency_limit import ConcurrencyLimit
from dispatcher.intake.endings import Endings
from dispatcher.intake.idempotency import Repeats
from dispatcher.intake.keeping import accepted, add_all, both, discard_all, in_time
from dispatcher.intake.new_jobs import (
    SubmitOptions,
    described_like,
    new_job,
    sniffed,
    with_work_key,
)
from dispatcher.intake.upload import Upload
from dispatcher.jobs import Job
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pipelines.overrides import parse_overrides, with_tiles
from dispatcher.pipelines.store import PipelineStore
from dispatcher.queues.base import JobQueue, QueueFullError
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import CacheOutcome, Figures


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
        is_accepting: bool = True,
    ) -> None:
        self._is_accepting = is_accepting
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
        self._limit = ConcurrencyLimit() if queue.is_shared else None

    async def submit(self, upload: Upload, options: SubmitOptions) -> Job:
        """Accept an image.

        Returns:
            The job: ended already when its result was known, else queued. When the request
            repeats an earlier one by its Idempotency-Key, the job of that one.

        Raises:
            RequestError: it was not accepted, and nothing of it is kept.
        """
        async with self.in_time() as deadline:

            async def accept() -> Job:
                job = await self._submit(upload, options)
                accepted(deadline)
                return job

            if options.idempotency is None:
                return await accept()
            return await self._repeats.accept_once(options.tenant, options.idempotency, accept)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[asyncio.Timeout]:
        """Break off what takes longer than a client waits, where the queue is shared.

        Raises:
            OverloadedError: so much is being accepted that it would take too long.
        """
        async with (
            in_time(is_shared=self._limit is not None) as deadline,
            self._limit.taken() if self._limit else nullcontext(),
        ):
            yield deadline

    def check_room(self) -> None:
        """Return when one more submission may begin; asked before its body is read.

        Raises:
            OverloadedError: so much is being accepted that it would take too long.
        """
        if self._limit is not None:
            self._limit.check()

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
            job, image = sniffed(job, upload)
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
        job, image = sniffed(job, upload)
        await self._lead(self._coalescing.take_off(job), job, image)
        return job

    def check_open(self) -> None:
        """Return when new work is taken.

        Raises:
            DrainingError: the service is about to end.
            NotAcceptingError: this dispatcher only works on what others accept.
        """
        if not self._is_accepting:
            raise NotAcceptingError(retry_after_s=MIN_RETRY_AFTER_S)
        if self._is_draining():
            raise DrainingError(retry_after_s=MIN_RETRY_AFTER_S)

    async def answer_from_cache(self, job: Job) -> Job | None:
        """Return the job as answered by an earlier result; None when there is none."""
        cached = self._cache.get(job.result_key)
        if cached is None:
            cached = await self._results.find_cached(job.result_key)
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
        if await self._blobs.hold(job.digest):
            job = described_like(job, flight.leader)
        try:
            await self._results.add(job)
        except BaseException:  # also when the client leaves meanwhile
            await discard_all([job], results=self._results)
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

        Whoever calls it does so ``in_time``, and no more than once: who holds one place and waits
        for another waits for itself.

        Args:
            jobs: what to queue.
            is_admitted: whether they belong to a batch of which some were queued before.

        Raises:
            OverloadedError: the queue is full.
            StorageUnavailableError: the servers behind a shared queue take too long together.
        """
        keeping = add_all(jobs, results=self._results)
        await self._keep_and_queue(jobs, keeping, is_admitted=is_admitted)

    async def _keep_and_queue(
        self, jobs: Sequence[Job], keeping: Awaitable[None], *, is_admitted: bool = False
    ) -> None:
        with self._endings.entering(jobs):
            try:
                await keeping
                depth = await self._queue.put(jobs, is_admitted=is_admitted)
                crash_point("after_commit_before_202")
            except BaseException as exc:  # also when the client leaves meanwhile
                await discard_all(jobs, results=self._results)
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
        if self._queue.is_shared and self._blobs.unready() is None:
            await self._enqueue_at_once(job, image)
            return
        await self._blobs.put(job.digest, image)
        crash_point("blob_written")
        try:
            await self._keep_and_queue([job], self._results.add(job))
        except BaseException:
            await self._blobs.release(job.digest)
            raise

    async def _enqueue_at_once(self, job: Job, image: bytes) -> None:
        """Keep image and record together: nobody looks for either before the job is queued."""
        putting = asyncio.ensure_future(self._blobs.put(job.digest, image))
        try:
            await self._keep_and_queue([job], both(putting, self._results.add(job)))
        except BaseException:
            if not putting.cancelled() and putting.exception() is None:
                await self._blobs.release(job.digest)
            raise
