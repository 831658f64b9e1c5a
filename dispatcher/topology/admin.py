"""Pipelines that clients make, change and delete, whatever they run on."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from dispatcher.errors import (
    ChangesOffError,
    DrainingError,
    PipelineProtectedError,
    StorageFullError,
    UnknownPipelineError,
)
from dispatcher.pipelines.changes import StepChange, read_change
from dispatcher.pipelines.flattening import flatten
from dispatcher.pipelines.replica_range import ReplicaRange, Replicas
from dispatcher.pipelines.store import PipelineStore
from dispatcher.topology.base import Launcher
from dispatcher.topology.blueprint import is_made_by_client, new_pipeline_id, records_of
from dispatcher.topology.capacity import (
    check_name,
    check_pipelines,
    check_replicas,
    find_pipeline,
    find_step,
)
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.status import (
    PipelineStatus,
    StepStatus,
    TopologyObject,
    TopologyState,
)
from step_app.contract.routes import active_route

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.02
_ASK_EVERY_S: Final = 0.5
_SEEN_WITHIN_S: Final = 5.0
"""Within which every discovery promises to see a change."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A pipeline that was made or deleted, and what that meant."""

    pipeline: PipelineStatus
    objects: Sequence[TopologyObject]


class Work(Protocol):
    """Knows the jobs of all pipelines."""

    @property
    def is_shared(self) -> bool:
        """Whether other dispatchers accept jobs of the same pipelines."""
        ...

    def is_idle(self, lane: str) -> bool:
        """Say whether no job of a pipeline waits or is in work anywhere."""
        ...


class PipelineAdmin:
    """Takes clients' wishes about pipelines, checks them whole, then has them done."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        store: PipelineStore,
        model_files: ModelFiles,
        max_replicas: int,
        drain_timeout_s: float,
        is_draining: Callable[[], bool],
        work: Work,
        may_change: bool = True,
    ) -> None:
        """Stand before a launcher.

        Args:
            launcher: makes replicas run.
            store: learns from discovery what exists.
            model_files: which files clients may name.
            max_replicas: most replicas of all pipelines that clients make, together.
            drain_timeout_s: how long a pipeline that is deleted may finish its work, in seconds.
            is_draining: whether the service is about to end.
            work: tells what is still to be done, and whether other dispatchers do it, too.
            may_change: whether clients may change anything at all.
        """
        self._launcher = launcher
        self._store = store
        self._model_files = model_files
        self._max_replicas = max_replicas
        self._drain_timeout_s = drain_timeout_s
        self._is_draining = is_draining
        self._work = work
        self._may_change = may_change
        self._lock = asyncio.Lock()
        """Held while something is checked and then done, so that both see the same."""
        self._deleting: set[str] = set()

    async def all(self) -> list[PipelineStatus]:
        """Return all pipelines."""
        return [self._presented(pipeline) for pipeline in await self._launcher.pipelines()]

    async def get(self, id_or_name: str) -> PipelineStatus:
        """Return one pipeline.

        Raises:
            UnknownPipelineError: there is none of that id or name.
        """
        return self._presented(find_pipeline(id_or_name, await self._launcher.pipelines()))

    async def create(self, document: object) -> Changed:
        """Make a pipeline as a client's document describes it; new images may name it at once.

        Raises:
            RequestError: it was not made, and nothing of it exists.
        """
        self._check_open()
        spec = self._model_files.locate(flatten(document))
        async with self._lock:
            existing = await self._launcher.pipelines()
            check_name(spec.name, taken=self._names(existing))
            check_pipelines(existing)
            wanted = sum(step.most_replicas for step in spec.steps)
            check_replicas(existing, more=wanted, limit=self._max_replicas)
            pipeline_id = new_pipeline_id()
            records = records_of(spec, pipeline_id=pipeline_id, created_at=_now())
            try:
                objects = await self._launcher.create(records)
            except OSError as exc:
                raise StorageFullError("The pipeline's records could not be written.") from exc
        pipeline = await self._until_seen(pipeline_id)
        return Changed(pipeline=self._presented(pipeline), objects=objects)

    async def change(self, id_or_name: str, step_id: str, document: object) -> StepStatus:
        """Change one step as a client's document says; return the step as it is then.

        Raises:
            RequestError: nothing was changed.
        """
        self._check_open()
        async with self._lock:
            existing = await self._launcher.pipelines()
            pipeline = self._find_open(id_or_name, existing)
            step = find_step(pipeline, step_id)
            order = [other.step_id for other in pipeline.steps]
            now = Replicas(step.replicas.desired, _bounds(step))
            change = read_change(document, step_id=step_id, order=order, now=now)
            if change.replicas is not None and is_made_by_client(pipeline.pipeline_id):
                bounds = change.replica_range
                most = change.replicas if bounds is None else bounds.max
                more = most - step.replicas.max
                check_replicas(existing, more=more, limit=self._max_replicas)
            try:
                await self._launcher.change(pipeline.pipeline_id, step_id, change)
            except OSError as exc:
                raise StorageFullError("The step's record could not be written.") from exc
        pipeline = await self._until_seen(pipeline.pipeline_id)
        return find_step(self._presented(pipeline), step_id)

    async def scale(self, pipeline_id: str, step_id: str, replicas: int) -> None:
        """Let a step follow its load: what clients want meanwhile, or have forbidden, goes before.

        Raises:
            RequestError: it could not be changed.
            OSError: likewise.
        """
        async with self._lock:
            found = [p for p in await self._launcher.pipelines() if p.pipeline_id == pipeline_id]
            step = found[0].step(step_id) if found else None
            if step is None or pipeline_id in self._deleting or self._is_draining():
                return
            replicas = _bounds(step).clamp(replicas)
            if replicas != step.replicas.desired:
                change = StepChange(replicas=replicas)
                await self._launcher.change(pipeline_id, step_id, change)

    async def delete(self, id_or_name: str) -> Changed:
        """Delete a pipeline: it takes no new work, finishes what it has, and leaves nothing.

        Its records say first that it is leaving, so that no other dispatcher accepts what nobody
        would do any more. A deletion that breaks off can be asked for again.

        Raises:
            RequestError: there is none, or it may not be deleted.
        """
        self._check_open()
        async with self._lock:
            pipeline = self._find_open(id_or_name, await self._launcher.pipelines())
            pipeline_id = pipeline.pipeline_id
            if not is_made_by_client(pipeline_id):
                raise PipelineProtectedError
            self._deleting.add(pipeline_id)
            self._store.start_deleting(pipeline_id)
        try:
            await self._leave(pipeline)
            await self._until_idle(pipeline_id)
            objects = await self._launcher.remove(pipeline_id)
        except OSError as exc:
            raise StorageFullError(
                "The pipeline's records could not be removed; try again."
            ) from exc
        finally:
            self._deleting.discard(pipeline_id)
        return Changed(pipeline=self._presented(pipeline), objects=objects)

    def _check_open(self) -> None:
        if not self._may_change:
            raise ChangesOffError
        if self._is_draining():
            raise DrainingError(retry_after_s=1)

    def _find_open(self, id_or_name: str, existing: Sequence[PipelineStatus]) -> PipelineStatus:
        pipeline = find_pipeline(id_or_name, existing)
        if pipeline.pipeline_id in self._deleting:
            raise UnknownPipelineError("The pipeline is being deleted.")
        return pipeline

    def _names(self, existing: Sequence[PipelineStatus]) -> set[str | None]:
        """Return what pipelines can be called by, those included that nobody here has made."""
        others = self._store.all()
        names = {pipeline.name for pipeline in existing} | {pipeline.name for pipeline in others}
        return names | {pipeline.id for pipeline in others}

    async def _leave(self, pipeline: PipelineStatus) -> None:
        """Return when no other dispatcher gives a pipeline to new work."""
        if not self._work.is_shared:
            return
        change = StepChange(is_leaving=True)
        await self._launcher.change(pipeline.pipeline_id, pipeline.steps[0].step_id, change)
        await asyncio.sleep(_SEEN_WITHIN_S)

    async def _until_idle(self, pipeline_id: str) -> None:
        ends_at = time.monotonic() + self._drain_timeout_s
        while not self._work.is_idle(pipeline_id):
            if time.monotonic() >= ends_at:
                _log.warning("pipeline %s is deleted with work left", pipeline_id)
                return
            await asyncio.sleep(_POLL_S)

    async def _until_seen(self, pipeline_id: str) -> PipelineStatus:
        """Return a pipeline when discovery has seen it as it is: a client reads what it wrote."""
        ends_at = time.monotonic() + _SEEN_WITHIN_S
        while True:
            pipeline = find_pipeline(pipeline_id, await self._launcher.pipelines())
            is_leaving = pipeline_id in self._deleting
            if is_leaving or self._is_seen(pipeline) or time.monotonic() >= ends_at:
                return pipeline
            # A launcher may have to ask others far away: it is not asked at every look.
            ask_at = time.monotonic() + _ASK_EVERY_S
            while not self._is_seen(pipeline) and time.monotonic() < ask_at:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)

    def _is_seen(self, pipeline: PipelineStatus) -> bool:
        steps = [
            {"id": step.step_id, "preferred_next": step.preferred_next} for step in pipeline.steps
        ]
        route = active_route(steps, active=[step.step_id for step in pipeline.steps])
        return any(
            found.id == pipeline.pipeline_id
            and [stage.key.step_id for stage in found.stages] == route
            for found in self._store.all()
        )

    def _presented(self, pipeline: PipelineStatus) -> PipelineStatus:
        if pipeline.pipeline_id in self._deleting:
            pipeline = replace(pipeline, state=TopologyState.DELETING)
        return self._model_files.conceal(pipeline)


def _bounds(step: StepStatus) -> ReplicaRange:
    return ReplicaRange(step.replicas.min, step.replicas.max)


def _now() -> str:
    """Return the time as on the wire: UTC with microseconds and without a zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat("T", "microseconds")
