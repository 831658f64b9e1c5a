"""The dispatcher's rooms around intake, put together from their in-memory backends."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.execution.collector import Collector
from dispatcher.execution.deadlines import Deadlines
from dispatcher.intake.admission import Admission, Limits
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.endings import Endings
from dispatcher.intake.submission import Intake
from dispatcher.jobs import Job
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.queues.base import JobQueue, Lease
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.results.base import ResultStore
from dispatcher.results.memory import MemoryResultStore
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from tests.dispatcher.records import completed, make_pipeline

RETENTION_S = 60.0


@dataclass
class Rooms:
    """All that intake works with, and intake."""

    queue: JobQueue = field(default_factory=lambda: MemoryJobQueue(capacity=3))
    retention_count: int = 10_000
    blobs: BlobStore = field(default_factory=MemoryBlobStore)
    pipelines: PipelineStore = field(default_factory=PipelineStore)
    cache: ResultCache = field(default_factory=lambda: ResultCache(max_size=10))
    coalescing: Coalescing = field(default_factory=Coalescing)
    figures: Figures = field(default_factory=lambda: Figures(Metrics()))
    pools: PoolDirectory = field(
        default_factory=lambda: PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())
    )
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    is_draining: bool = False
    writer: Writer | None = None
    """Of rooms whose results outlive them."""
    results: ResultStore = field(init=False)
    collector: Collector = field(init=False)
    deadlines: Deadlines = field(default_factory=Deadlines)
    stopped: list[str] = field(default_factory=list)
    """Jobs whose work was to be stopped after they were taken off the queue."""
    endings: Endings = field(init=False)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.collector = Collector(blobs=self.blobs)
        self.results = self._make_results()
        self.pipelines.replace([make_pipeline()])
        self.endings = Endings(
            queue=self.queue,
            results=self.results,
            blobs=self.blobs,
            cache=self.cache,
            coalescing=self.coalescing,
            figures=self.figures,
            stop_work=self.stopped.append,
            forget=self.deadlines.forget,
        )
        self.intake = Intake(
            queue=self.queue,
            results=self.results,
            blobs=self.blobs,
            pipelines=self.pipelines,
            cache=self.cache,
            coalescing=self.coalescing,
            endings=self.endings,
            figures=self.figures,
            watch=self.deadlines.watch,
            is_draining=lambda: self.is_draining,
            admission=Admission(
                queue=self.queue,
                figures=self.figures,
                pipelines=self.pipelines,
                pools=self.pools,
                limits=self.limits,
                clock=self.clock,
            ),
        )

    def _make_results(self) -> ResultStore:
        if self.writer is None:
            return MemoryResultStore(
                retention_s=RETENTION_S,
                retention_count=self.retention_count,
                on_dropped=self.collector.collect,
            )
        return SqliteResultStore(
            self.writer,
            retention_s=RETENTION_S,
            retention_count=self.retention_count,
            on_dropped=self.collector.collect,
        )

    async def next_lease(self) -> Lease:
        """Lease the oldest waiting job as soon as there is one."""
        while (lease := await self.queue.reserve(self.queue.lanes())) is None:
            await self.queue.wait_for_more()
        return lease

    async def end(self, job: Job) -> None:
        """Do with a job what a consumer does with one that it has carried to its end."""
        lease = await self.next_lease()
        assert lease.job_id == job.id
        is_kept = await self.results.save(job)
        if is_kept:
            self.figures.count_ended(job)
        await self.queue.ack(lease)
        await self.endings.settle(job, is_kept=is_kept)

    async def complete_next(self, **changes: Any) -> Job:
        """Carry the oldest waiting job to its end."""
        lease = await self.next_lease()
        await self.queue.nack(lease)
        job = completed(await self.results.get(lease.job_id), **changes)
        await self.end(job)
        return job


@asynccontextmanager
async def durable_rooms(folder: Path, *, capacity: int = 3, **rooms: Any) -> AsyncIterator[Rooms]:
    """Open rooms that outlive their process, over what an earlier one left in a folder."""
    writer = Writer(folder)
    await writer.start()
    space = Space(folder, limit_bytes=0, reserve_percent=0.0, used_bytes=lambda: 0)
    blobs = LocalBlobStore(folder / "blobs", writer=writer, space=space)
    queue = SqliteJobQueue(writer, capacity=capacity)
    opened = Rooms(queue=queue, blobs=blobs, writer=writer, **rooms)
    for room in (opened.queue, opened.results, opened.blobs):
        await room.start()
    yield opened
    for room in (opened.blobs, opened.results, opened.queue):
        await room.close()
    await writer.close()
