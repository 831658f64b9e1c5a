"""Replicas that somebody else runs: files say where they answer, and nothing here starts one."""

import asyncio
from collections.abc import Callable, Sequence

from dispatcher.errors import ChangesOffError
from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.blueprint import in_order
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.records import RecordDirectory
from dispatcher.topology.status import (
    Entry,
    PipelineStatus,
    ReplicaCounts,
    StepStatus,
    TopologyObject,
    pipeline_state,
    step_status,
)

CountReady = Callable[[str], int]
"""Gives how many replicas of a step are ready, by the step's key as text."""


class FileLauncher:
    """Tells what the files say; who wrote them changes them."""

    def __init__(self, records: RecordDirectory, *, count_ready: CountReady) -> None:
        self._records = records
        self._count_ready = count_ready

    async def start(self) -> None:
        """Start nothing."""

    async def wait_ready(self) -> str:
        """Return at once: the service is there for whatever the files say."""
        return "the pipelines of its records"

    async def supervise(self) -> None:
        """Wait until cancelled: nobody here looks after a replica."""
        await asyncio.Event().wait()

    async def create(self, records: Sequence[StepRecord]) -> Sequence[TopologyObject]:
        """Make nothing.

        Raises:
            ChangesOffError: always.
        """
        raise ChangesOffError

    async def change(self, pipeline_id: str, step_id: str, change: StepChange) -> None:
        """Change nothing.

        Raises:
            ChangesOffError: always.
        """
        raise ChangesOffError

    async def remove(self, pipeline_id: str) -> Sequence[TopologyObject]:
        """Remove nothing.

        Raises:
            ChangesOffError: always.
        """
        raise ChangesOffError

    async def pipelines(self) -> Sequence[PipelineStatus]:
        """Return what the files say, and how many of the replicas are ready."""
        by_pipeline: dict[str, list[StepRecord]] = {}
        for record in await asyncio.to_thread(self._records.read_all):
            by_pipeline.setdefault(record.key.pipeline_id, []).append(record)
        return [self._pipeline(in_order(steps)) for steps in by_pipeline.values()]

    async def close(self) -> None:
        """End nothing."""

    def _pipeline(self, records: Sequence[StepRecord]) -> PipelineStatus:
        steps = [self._step(record) for record in records]
        first = steps[0]
        url = next(iter(first.endpoints), "")
        return PipelineStatus(
            pipeline_id=records[0].key.pipeline_id,
            name=records[0].pipeline_name,
            state=pipeline_state(step.state for step in steps),
            steps=steps,
            entry=Entry(step_id=first.step_id, url=url, process_url=f"{url}/process"),
            created_at=records[0].created_at or None,
        )

    def _step(self, record: StepRecord) -> StepStatus:
        wanted = len(record.endpoints)
        counts = ReplicaCounts(
            desired=wanted,
            running=wanted,
            ready=self._count_ready(str(record.key)),
            min=wanted,
            max=wanted,
        )
        return step_status(record, counts, endpoints=record.endpoints)
