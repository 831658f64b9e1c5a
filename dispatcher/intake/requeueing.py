"""A failed job is repeated as a new one: the failed jobs that are kept are the dead letters."""

import time
import uuid

from msgspec.structs import replace

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import ImageGoneError, NotFailedError
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.new_jobs import SubmitOptions, new_job, with_work_key
from dispatcher.intake.submission import Intake
from dispatcher.jobs import Idempotency, Job, JobState
from dispatcher.pipelines.operations import pipeline_for
from dispatcher.pipelines.store import PipelineStore
from dispatcher.telemetry.figures import CacheOutcome, Figures


class Requeueing:
    """Repeats failed jobs."""

    def __init__(
        self,
        *,
        intake: Intake,
        blobs: BlobStore,
        pipelines: PipelineStore | None,
        coalescing: Coalescing,
        figures: Figures,
    ) -> None:
        """Repeat jobs.

        Args:
            intake: accepts the new ones.
            blobs: where their images are.
            pipelines: what a pipeline is today; None where nobody knows, and a job then asks for
                the very revision that it asked for before.
            coalescing: who waits for whom.
            figures: count them.
        """
        self._intake = intake
        self._blobs = blobs
        self._pipelines = pipelines
        self._coalescing = coalescing
        self._figures = figures

    async def requeue(self, failed: Job, *, identity: Idempotency | None = None) -> Job:
        """Accept a job for the same image, pipeline and params as a failed one.

        Like any other it may be answered from the cache or join an identical one in flight.

        Args:
            failed: the failed one.
            identity: kept with the new one, by which it can be found.

        Raises:
            NotFailedError: the job is in another state.
            ImageGoneError: its image is not kept, or never was: of a file that is none.
            RequestError: it was not accepted; the failed one is kept as it was.
            KeyTakenError: another job has that identity.
        """
        if failed.state is not JobState.FAILED:
            raise NotFailedError(f"The job is {failed.state}.")
        if not failed.media_type:
            raise ImageGoneError
        self._intake.check_open()
        async with self._intake.in_time():
            return await self._accept(replace(self._repeated(failed), idempotency=identity))

    async def _accept(self, job: Job) -> Job:
        if job.work_key:
            answered = await self._intake.answer_from_cache(job)
            if answered is not None:
                return answered
            flight = self._coalescing.find(job.work_key)
            if flight is not None:
                return await self._intake.follow(flight, job)
        await self._queue(job)
        return job

    def _repeated(self, failed: Job) -> Job:
        if self._pipelines is None:
            return _as_it_was(failed)
        pipeline = (
            pipeline_for(failed.operations, self._pipelines)
            if failed.operations
            else self._pipelines.find(failed.pipeline_id)
        )
        job = new_job(
            filename=failed.filename,
            digest=failed.digest,
            pipeline=pipeline,
            overrides=failed.overrides,
            operations=failed.operations,
            options=SubmitOptions(
                use_cache=bool(failed.work_key),
                priority=failed.priority,
                deadline_s=failed.deadline_s,
                webhook_url=failed.webhook_url,
                tenant=failed.tenant,
                trace=failed.trace,
            ),
        )
        if failed.work_key:
            job = with_work_key(job, pipeline)
        return replace(
            job,
            media_type=failed.media_type,
            width=failed.width,
            height=failed.height,
            size_bytes=failed.size_bytes,
            requeued_from=failed.id,
        )

    async def _queue(self, job: Job) -> None:
        if not await self._blobs.hold(job.digest):
            raise ImageGoneError
        flight = self._coalescing.take_off(job) if job.work_key else None
        try:
            self._intake.admit([job])
            await self._intake.enqueue([job])
        except BaseException as exc:
            await self._blobs.release(job.digest)
            if flight is not None:
                self._intake.ground(flight, job, exc)
            raise
        if flight is None:
            self._figures.count_accepted(CacheOutcome.BYPASS)
        else:
            self._intake.lift(flight)


def _as_it_was(failed: Job) -> Job:
    """Return a new job that asks for exactly what a failed one has asked for."""
    return Job(
        id=str(uuid.uuid4()),
        filename=failed.filename,
        digest=failed.digest,
        pipeline_id=failed.pipeline_id,
        queued_at=time.time(),
        overrides=failed.overrides,
        operations=failed.operations,
        media_type=failed.media_type,
        width=failed.width,
        height=failed.height,
        result_key=failed.result_key,
        expected_revision=failed.expected_revision,
        tenant=failed.tenant,
        priority=failed.priority,
        deadline_s=failed.deadline_s,
        webhook_url=failed.webhook_url,
        work_key=failed.work_key,
        size_bytes=failed.size_bytes,
        requeued_from=failed.id,
    )
