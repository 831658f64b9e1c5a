"""A failed job is repeated as a new one: the failed jobs that are kept are the dead letters."""

from msgspec.structs import replace

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import ImageGoneError, NotFailedError
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.submission import Intake, SubmitOptions, new_job, with_work_key
from dispatcher.jobs import Job, JobState
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
        pipelines: PipelineStore,
        coalescing: Coalescing,
        figures: Figures,
    ) -> None:
        self._intake = intake
        self._blobs = blobs
        self._pipelines = pipelines
        self._coalescing = coalescing
        self._figures = figures

    async def requeue(self, failed: Job) -> Job:
        """Accept a job for the same image, pipeline and params as a failed one.

        Like any other it may be answered from the cache or join an identical one in flight.

        Raises:
            NotFailedError: the job is in another state.
            ImageGoneError: its image is not kept, or never was: of a file that is none.
            RequestError: it was not accepted; the failed one is kept as it was.
        """
        if failed.state is not JobState.FAILED:
            raise NotFailedError(f"The job is {failed.state}.")
        if not failed.media_type:
            raise ImageGoneError
        self._intake.check_open()
        job = self._repeated(failed)
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
        if not self._blobs.hold(job.digest):
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
