"""Carries one job through the stages of its pipeline."""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from msgspec.structs import replace as replace_field

from dispatcher.blobs.base import BlobCorruptError, BlobMissingError, BlobStore
from dispatcher.errors import StorageFullError, UnknownPipelineError
from dispatcher.execution.attempts import Attempts, GaveUpError
from dispatcher.execution.budget import BYTES_PER_PIXEL, MAX_BYTES_IN_WORK, ByteBudget
from dispatcher.execution.chunks import ChunkRunner, LocalChunks
from dispatcher.execution.pieces import Piece, descend
from dispatcher.execution.plan import Segment, plan
from dispatcher.execution.segments import SegmentRunner, one_revision
from dispatcher.execution.stage_cache import StageCache
from dispatcher.execution.stage_runs import data_run, merge_runs
from dispatcher.execution.together import together
from dispatcher.jobs import Job, JobError, Output
from dispatcher.pipelines.model import Pipeline, join_revisions
from dispatcher.pipelines.operations import pipeline_for
from dispatcher.pipelines.store import PipelineStore
from dispatcher.runs import StageRun
from dispatcher.telemetry.logs import log_about
from dispatcher.telemetry.tracing import begin_run, end_run
from step_app.contract.spans import NO_TRACING, Tracer
from step_app.contract.step_types import STEP_TYPES


@dataclass(slots=True)
class _Progress:
    """How far a job has come."""

    pieces: Sequence[Piece]
    runs: list[StageRun] = field(default_factory=list)
    revisions: list[str] = field(default_factory=list)
    data: Mapping[str, Any] | None = None
    """What the last stage said of the image, where no stage makes a picture."""
    has_pictures: bool = False


class StoppedError(Exception):
    """The work on a job was stopped because nobody wants it any more."""


class Executor:
    """Runs jobs: every stage in its pool, one segment after the other."""

    def __init__(
        self,
        *,
        pipelines: PipelineStore,
        blobs: BlobStore,
        attempts: Attempts,
        cache: StageCache,
        chunks: ChunkRunner | None = None,
        tracer: Tracer = NO_TRACING,
        max_bytes_in_work: int = MAX_BYTES_IN_WORK,
    ) -> None:
        """Run jobs.

        Args:
            pipelines: tell what a job's stages are.
            blobs: have the images, and get the pictures made.
            attempts: have one item computed.
            cache: what earlier jobs had computed between two stages.
            chunks: have the chunks of a tiled stage computed; one's own pools unless told.
            tracer: records the work.
            max_bytes_in_work: of pictures that are in memory at once, for each pipeline.
        """
        self._pipelines = pipelines
        self._blobs = blobs
        self._attempts = attempts
        self._cache = cache
        self._chunks = LocalChunks(attempts) if chunks is None else chunks
        self._tracer = tracer
        self._budgets: defaultdict[str, ByteBudget] = defaultdict(
            partial(ByteBudget, max_bytes_in_work)
        )
        """One for each pipeline: one whose replicas are gone must not hold up the others."""
        self._stoppable: dict[str, asyncio.Task[Any]] = {}
        """By job; not while its pictures are being kept, which must be done whole."""
        self._stopped: set[str] = set()

    async def run(self, job: Job) -> Job:
        """Return the job as it ended, completed or failed; its pictures are kept.

        Raises:
            StoppedError: it was stopped; nothing of it is kept.
        """
        task = asyncio.current_task()
        assert task is not None
        self._stoppable[job.id] = task
        budget = self._budgets[job.pipeline_id]
        try:
            async with budget.spend(job.width * job.height * BYTES_PER_PIXEL):
                return await self._run_traced(job)
        except asyncio.CancelledError:
            # Told to stop, and not together with the whole service.
            if job.id in self._stopped and not task.uncancel():
                raise StoppedError from None
            raise
        finally:
            self._stoppable.pop(job.id, None)
            self._stopped.discard(job.id)

    def stop(self, job_id: str) -> None:
        """Stop the work on a job, if it is worked on; later stages never run."""
        task = self._stoppable.pop(job_id, None)
        if task is not None:
            self._stopped.add(job_id)
            task.cancel()

    async def _run_traced(self, job: Job) -> Job:
        with begin_run(self._tracer, job) as run:
            if run.is_recorded:  # what it causes belongs to it, also after it has ended
                job = replace_field(job, trace=run.context)
            log_about(job)
            ended = await self._run(job)
            end_run(run, ended)
        return ended

    async def _run(self, job: Job) -> Job:
        progress = _Progress(pieces=[])
        try:
            pipeline = self._pipeline_of(job)
            progress.pieces = [_first_piece(job, await self._blobs.get(job.digest))]
            for segment in plan(pipeline, job):
                await self._pass(segment, job, progress)
            self._stoppable.pop(job.id, None)
            outputs = await self._keep(pipeline, progress)
        except GaveUpError as exc:
            return job.failed(
                time.time(), exc.error, stages=tuple(progress.runs), attempts=exc.attempts
            )
        except UnknownPipelineError:
            error = JobError(code="unknown_pipeline", detail="The pipeline was deleted.")
            return _failed(job, error, progress)
        except BlobMissingError:
            error = JobError(code="input_missing", detail="The image is no longer kept.")
            return _failed(job, error, progress)
        except BlobCorruptError:
            error = JobError(code="input_corrupt", detail="The image kept is not the one sent.")
            return _failed(job, error, progress)
        except StorageFullError as exc:
            return _failed(job, JobError(code=exc.code, detail=exc.detail), progress)
        return job.completed(
            time.time(),
            result=progress.data,
            outputs=outputs,
            stages=tuple(progress.runs),
            revision=join_revisions(progress.revisions),
            attempts=max((run.attempts for run in progress.runs), default=0),
        )

    def _pipeline_of(self, job: Job) -> Pipeline:
        if job.operations:
            return pipeline_for(job.operations, self._pipelines)
        return self._pipelines.find(job.pipeline_id)

    async def _pass(self, segment: Segment, job: Job, progress: _Progress) -> None:
        runner = SegmentRunner(job, attempts=self._attempts, cache=self._cache, chunks=self._chunks)
        if not segment.output:
            await self._look(segment, runner, progress)
            return
        passed = await together(runner.run(segment, piece) for piece in progress.pieces)
        progress.pieces = [made for one in passed for made in one.pieces]
        progress.runs += merge_runs([one.runs for one in passed])
        revisions = [one.revision for one in passed]
        progress.revisions += [
            one_revision(revisions, expected=stage.model_revision) for stage in segment.stages
        ]
        progress.has_pictures = True

    async def _look(self, segment: Segment, runner: SegmentRunner, progress: _Progress) -> None:
        """Run a stage that gives data on every picture; it changes none of them."""
        found = await together(runner.run_data(segment, piece) for piece in progress.pieces)
        stage = segment.stages[0]
        progress.runs.append(
            max(
                (data_run(stage, attempted) for _, attempted in found),
                key=lambda run: run.duration_s,
            )
        )
        progress.revisions.append(
            one_revision(
                (attempted.answer.revision for _, attempted in found),
                expected=stage.model_revision,
            )
        )
        if progress.has_pictures:
            progress.pieces = [
                replace(piece, data={**piece.data, **_without_name(data)})
                for piece, (data, _) in zip(progress.pieces, found, strict=True)
            ]
        else:
            progress.data = found[0][0]

    async def _keep(self, pipeline: Pipeline, progress: _Progress) -> tuple[Output, ...]:
        """Put the pictures into the blob store, one hold each.

        Raises:
            StorageFullError: there is no space for all of them; none is kept.
        """
        if not progress.has_pictures:
            return ()
        is_split = any(STEP_TYPES[stage.type].output == "images" for stage in pipeline.stages)
        outputs = [
            Output(
                digest=hashlib.sha256(piece.image).hexdigest(),
                media_type=piece.media_type,
                width=piece.width,
                height=piece.height,
                data=piece.data,
                piece=number if is_split else None,
            )
            for number, piece in enumerate(progress.pieces)
        ]
        held: list[str] = []
        try:
            for output, piece in zip(outputs, progress.pieces, strict=True):
                await self._blobs.put(output.digest, piece.image, is_new_work=False)
                held.append(output.digest)
        except BaseException:  # also when the job is stopped meanwhile
            for digest in held:
                await self._blobs.release(digest)
            raise
        return tuple(outputs)


def _first_piece(job: Job, image: bytes) -> Piece:
    return Piece(
        image=image,
        media_type=job.media_type,
        width=job.width,
        height=job.height,
        lineage=lineage_of(job),
    )


def lineage_of(job: Job) -> str | None:
    """Return what the image's pictures descend from; None when they are not shared."""
    if job.result_key is None:
        return None  # a job that shares no result shares no stage, either
    # Of two tenants, one could tell by the time what the other has computed.
    return descend(job.digest, job.tenant) if job.tenant else job.digest


def _failed(job: Job, error: JobError, progress: _Progress) -> Job:
    return job.failed(time.time(), error, stages=tuple(progress.runs), attempts=0)


def _without_name(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "filename"}
