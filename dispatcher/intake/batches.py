"""From a form with many files to one batch of jobs: all of it accepted, or nothing.

Work begins while the form is still arriving, so that replicas do not wait for the last file. A
batch is admitted with its first files. Should its form break off later, nobody was promised
anything: what was begun runs out and is forgotten.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from msgspec.structs import replace

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import RequestError, UnknownPipelineError
from dispatcher.intake.batch_form import BatchFile, BatchForm
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing, Flight
from dispatcher.intake.new_jobs import SubmitOptions, described, new_job, with_work_key
from dispatcher.intake.submission import Intake
from dispatcher.jobs import Batch, Job, JobError, SentFile
from dispatcher.pipelines.actions import Actions
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.operations import overrides_for, pipeline_for
from dispatcher.pipelines.overrides import Overrides
from dispatcher.pipelines.store import PipelineStore
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import CacheOutcome, Figures
from step_app.contract.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one of the actions is run."""

    actions: Actions
    pipeline: Pipeline
    overrides: Overrides


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One file under one of the actions."""

    file: BatchFile
    job: Job


@dataclass(frozen=True, slots=True)
class _Leading:
    """A job that is computed for itself and for whoever follows it."""

    job: Job
    flight: Flight | None
    """None when it was to be computed anew, so that nobody may follow."""


@dataclass(slots=True)
class BatchInTransit:
    """A batch whose files are arriving."""

    tenant: str = ""
    trace: TraceContext | None = None
    """What all of its jobs belong to."""
    wanted: list[_Wanted] = field(default_factory=list)
    """File by file, under each of the actions."""
    files: int = 0
    queued: set[str] = field(default_factory=set)


class BatchIntake:
    """Accepts batches."""

    def __init__(
        self,
        *,
        intake: Intake,
        results: ResultStore,
        blobs: BlobStore,
        pipelines: PipelineStore,
        cache: ResultCache,
        coalescing: Coalescing,
        figures: Figures,
    ) -> None:
        self._intake = intake
        self._results = results
        self._blobs = blobs
        self._pipelines = pipelines
        self._cache = cache
        self._coalescing = coalescing
        self._figures = figures

    async def advance(self, transit: BatchInTransit, form: BatchForm) -> None:
        """Queue the files of a form that have arrived since the last call.

        Raises:
            RequestError: they were not admitted, and nothing that was asked for now is queued.
        """
        if not transit.files:
            self._intake.check_open()
        plans = [self._plan(actions) for actions in form.actions]
        new = [
            _wanted(file, plan, form, transit)
            for file, plan in product(form.files[transit.files :], plans)
        ]
        leading = self._choose_leaders(new, use_cache=form.use_cache)
        await self._queue(leading, is_admitted=bool(transit.queued))
        transit.files = len(form.files)
        transit.wanted += new
        transit.queued |= {leader.job.id for leader in leading}

    async def submit(self, form: BatchForm, transit: BatchInTransit | None = None) -> Batch:
        """Accept a batch; the form's holds on its images are the batch's from then on.

        Returns:
            The batch, with one entry for each file under each of the actions, file by file.
            A file that is no image has failed at once, and what was known has completed.

        Raises:
            RequestError: it was not accepted, and nothing of it is kept.
        """
        try:
            return await self._submit(form, transit or BatchInTransit())
        except BaseException:  # also when the request is cancelled
            await form.release(self._blobs)
            raise

    async def _submit(self, form: BatchForm, transit: BatchInTransit) -> Batch:
        await self.advance(transit, form)
        for wanted in transit.wanted:
            if wanted.job.id not in transit.queued:
                await self._accept(wanted)
        batch = Batch(
            id=str(uuid.uuid4()),
            created_at=time.time(),
            files=tuple(
                _sent_file(wanted, is_first=number % len(form.actions) == 0)
                for number, wanted in enumerate(transit.wanted)
            ),
            tenant=transit.tenant,
        )
        await self._results.add_batch(batch)
        return batch

    def _plan(self, actions: Actions) -> _Plan:
        operations = actions.operations
        try:
            pipeline = pipeline_for(operations, self._pipelines)
        except UnknownPipelineError as exc:
            raise UnknownPipelineError("No pool runs these operations at the moment.") from exc
        return _Plan(actions, pipeline, overrides_for(operations))

    def _choose_leaders(self, all_wanted: Sequence[_Wanted], *, use_cache: bool) -> list[_Leading]:
        """Return the jobs that have to be computed, each in the air already.

        No await in between, so that of identical files exactly one leads.
        """
        leading = []
        for wanted in all_wanted:
            if wanted.file.kind is None:
                continue
            if not use_cache:
                leading.append(_Leading(wanted.job, flight=None))
            elif not self._is_known(wanted):
                flight = self._coalescing.take_off(wanted.job)
                leading.append(_Leading(wanted.job, flight))
        return leading

    def _is_known(self, wanted: _Wanted) -> bool:
        is_cached = self._cache.get(wanted.job.result_key) is not None
        return is_cached or self._coalescing.find(wanted.job.work_key) is not None

    async def _queue(self, leading: Sequence[_Leading], *, is_admitted: bool) -> None:
        """Queue jobs: all of them, or none and whoever follows them is refused."""
        if not leading:
            return
        held: list[str] = []
        try:
            if not is_admitted:
                self._intake.admit([leader.job for leader in leading])
            for leader in leading:
                # Until it is settled; the batch's own hold may end earlier or later.
                await self._blobs.hold(leader.job.digest)
                held.append(leader.job.digest)
            jobs = [leader.job for leader in leading]
            async with self._intake.in_time():
                await self._intake.enqueue(jobs, is_admitted=is_admitted)
        except BaseException as exc:
            for digest in held:
                await self._blobs.release(digest)
            for leader in leading:
                if leader.flight is not None:
                    self._intake.ground(leader.flight, leader.job, exc)
            raise
        for leader in leading:
            if leader.flight is None:
                self._figures.count_accepted(CacheOutcome.BYPASS)
            else:
                self._intake.lift(leader.flight)

    async def _accept(self, wanted: _Wanted) -> None:
        """Accept a job that was not queued, once those that were cannot be refused any more."""
        if wanted.file.error is not None:
            await self._fail(wanted.job, wanted.file.error)
            return
        try:
            await self._join(wanted)
        except RequestError as exc:
            await self._fail(wanted.job, JobError(code=exc.code, detail=exc.detail))

    async def _join(self, wanted: _Wanted) -> None:
        """Answer a job from the cache, or have it follow another.

        Either may be gone meanwhile: another client's leader was refused, or a result dropped.
        The job is then queued alone.
        """
        if await self._intake.answer_from_cache(wanted.job) is not None:
            return
        while (flight := self._coalescing.find(wanted.job.work_key)) is not None:
            try:
                await self._intake.follow(flight, wanted.job)
            except RequestError:
                continue
            return
        flight = self._coalescing.take_off(wanted.job)
        await self._queue([_Leading(wanted.job, flight)], is_admitted=False)

    async def _fail(self, job: Job, error: JobError) -> None:
        failed = job.failed(time.time(), error, attempts=0)
        await self._results.add(failed)
        self._figures.count_accepted(CacheOutcome.BYPASS)
        self._figures.count_ended(failed)


def _wanted(file: BatchFile, plan: _Plan, form: BatchForm, transit: BatchInTransit) -> _Wanted:
    job = new_job(
        filename=file.filename,
        digest=file.digest,
        pipeline=plan.pipeline,
        overrides=plan.overrides,
        operations=plan.actions.operations,
        options=SubmitOptions(use_cache=form.use_cache, tenant=transit.tenant, trace=transit.trace),
    )
    if form.use_cache:
        job = with_work_key(job, plan.pipeline)
    if file.kind is not None:
        job = replace(described(job, file.kind), size_bytes=file.size_bytes)
    return _Wanted(file, job)


def _sent_file(wanted: _Wanted, *, is_first: bool) -> SentFile:
    """Return the entry of a job; the bytes are kept once, for the first of a file's jobs."""
    kind = wanted.file.kind if is_first else None
    return SentFile(
        job_id=wanted.job.id,
        filename=wanted.file.filename,
        digest="" if kind is None else wanted.file.digest,
        media_type="" if kind is None else kind.media_type,
    )
