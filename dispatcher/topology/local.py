"""Replicas as child processes of this one, described by records like in a cluster."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

from dispatcher.errors import StartupError, UnknownPipelineError
from dispatcher.pipelines.changes import StepChange
from dispatcher.pipelines.operations import DEFAULT_PIPELINE, OPERATIONS_PIPELINE
from dispatcher.pools.client import ReplicaClient
from dispatcher.topology.blueprint import in_order, is_made_by_client
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.environment import LocalLimits
from dispatcher.topology.local_pipeline import LocalPipeline
from dispatcher.topology.records import RecordDirectory
from dispatcher.topology.status import PipelineStatus, TopologyObject
from dispatcher.topology.step_processes import StepProcesses

_BUILT_IN: Final = (DEFAULT_PIPELINE, OPERATIONS_PIPELINE)
_HEAD_START_S: Final = 60.0
"""How long the other pipelines wait at most for the first one to be ready."""


class LocalLauncher:
    """Runs pipelines on this machine: those that are built in and those that clients make.

    Records of the first kind exist while this launcher runs. Those of the second outlive it, so
    that a restart finds them; their endpoints do not.
    """

    def __init__(
        self,
        built_in: Sequence[StepRecord],
        *,
        records: RecordDirectory,
        client: ReplicaClient,
        limits: LocalLimits,
    ) -> None:
        """Prepare to run pipelines; nothing is started and no file is touched.

        Args:
            built_in: one record for each pipeline, which has one step; the first one matters most.
                There may be none.
            records: where records are kept.
            client: asks replicas how they are.
            limits: what child processes may use.
        """
        self._records = records
        self._client = client
        self._limits = limits
        self._built_in = [self._build([record]) for record in built_in]
        self._pipelines = {pipeline.id: pipeline for pipeline in self._built_in}
        self._late_start: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write all records and start what was declared, and what clients had made before.

        The first pipeline has the machine to itself until it is ready.

        Raises:
            StartupError: a record cannot be written.
        """
        try:
            await self._take_up(self._records.read_all())
        except OSError as exc:
            raise StartupError(f"cannot write the records of pipelines: {exc.strerror}") from exc
        for pipeline in self._built_in[:1]:
            pipeline.start()
        self._late_start = asyncio.create_task(self._start_others())

    async def wait_ready(self) -> str:
        """Wait until the first pipeline is ready; return what it loaded, for people.

        Raises:
            StartupError: a replica of it says that it can never start.
        """
        return await self._built_in[0].first.wait_ready() if self._built_in else "nothing"

    async def supervise(self) -> None:
        """Wait for as long as every built-in pipeline is looked after.

        Raises:
            StartupError: a replica of one says that it can never start.
        """
        if not self._built_in:
            await asyncio.Event().wait()
        watches = [asyncio.create_task(p.first.wait_failed()) for p in self._built_in]
        try:
            await asyncio.gather(*watches)
        finally:
            for watch in watches:
                watch.cancel()

    async def create(self, records: Sequence[StepRecord]) -> Sequence[TopologyObject]:
        """Make a pipeline: all of it or nothing; return what was made.

        Raises:
            OSError: a record could not be written, and nothing is left.
        """
        pipeline = self._build(records)
        try:
            await pipeline.write_records()
        except BaseException:  # also when the request is cancelled meanwhile
            with contextlib.suppress(OSError):
                pipeline.remove_records()
            raise
        self._pipelines[pipeline.id] = pipeline
        pipeline.start()
        return pipeline.objects()

    async def change(self, pipeline_id: str, step_id: str, change: StepChange) -> None:
        """Change one step: all of it or nothing; one that failed is tried again.

        Raises:
            UnknownPipelineError: there is no such pipeline.
            NotFoundError: it has no such step.
            OSError: a record could not be written.
        """
        pipeline = self._find(pipeline_id)
        if change.is_leaving:
            await pipeline.leave()
        step = pipeline.step(step_id)
        older = step.status().preferred_next
        if change.is_rerouted:
            await pipeline.reroute(step_id, change.preferred_next)
        try:
            step.scale(change)
        except OSError:
            if change.is_rerouted:
                with contextlib.suppress(OSError):
                    await pipeline.reroute(step_id, older)
            raise

    async def remove(self, pipeline_id: str) -> Sequence[TopologyObject]:
        """End a pipeline and leave nothing of it; return what was there.

        Raises:
            UnknownPipelineError: there is none of that id.
            OSError: a record is still there.
        """
        pipeline = self._find(pipeline_id)
        objects = pipeline.objects()
        await pipeline.close()
        pipeline.remove_records()
        self._pipelines.pop(pipeline_id, None)
        return objects

    async def pipelines(self) -> Sequence[PipelineStatus]:
        """Return what is wanted and what runs."""
        return [pipeline.status() for pipeline in self._pipelines.values()]

    async def close(self) -> None:
        """End every replica; remove the records of what is built in."""
        if self._late_start is not None:
            self._late_start.cancel()
        await asyncio.gather(*(pipeline.close() for pipeline in self._pipelines.values()))
        for pipeline in self._built_in:
            pipeline.remove_records()

    async def _take_up(self, records: Iterable[StepRecord]) -> None:
        """Begin with the records that an earlier launcher left; none says that anything runs."""
        made: dict[str, list[StepRecord]] = {}
        for record in records:
            pipeline_id = record.key.pipeline_id
            if is_made_by_client(pipeline_id):
                made.setdefault(pipeline_id, []).append(record)
            elif pipeline_id in _BUILT_IN and pipeline_id not in self._pipelines:
                self._records.remove(record)  # its launcher was killed
        for steps in sorted(made.values(), key=lambda steps: steps[0].created_at):
            pipeline = self._build(in_order(steps))
            self._pipelines[pipeline.id] = pipeline
        for pipeline in self._pipelines.values():
            await pipeline.write_records()

    async def _start_others(self) -> None:
        with contextlib.suppress(StartupError, TimeoutError):
            async with asyncio.timeout(_HEAD_START_S):
                await self.wait_ready()
        for pipeline in self._pipelines.values():
            pipeline.start()

    def _build(self, records: Iterable[StepRecord]) -> LocalPipeline:
        return LocalPipeline(
            [
                StepProcesses(
                    record, records=self._records, client=self._client, limits=self._limits
                )
                for record in records
            ]
        )

    def _find(self, pipeline_id: str) -> LocalPipeline:
        try:
            return self._pipelines[pipeline_id]
        except KeyError as exc:
            raise UnknownPipelineError("There is no such pipeline.") from exc
