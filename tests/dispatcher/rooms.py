"""The dispatcher's rooms around intake, put together from their in-memory backends."""

from dataclasses import dataclass, field
from typing import Any

from dispatcher.blobs.base import BlobStore
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
from dispatcher.queues.base import Lease
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.results.memory import MemoryResultStore
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from tests.dispatcher.records import completed, make_pipeline

RETENTION_S = 60.0


@dataclass
class Rooms:
    """All that intake works with, and intake."""

    queue: MemoryJobQueue = field(default_factory=lambda: MemoryJobQueue(capacity=3))
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
    results: MemoryResultStore = field(init=False)
    collector: Collector = field(init=False)
    deadlines: Deadlines = field(default_factory=Deadlines)
    stopped: list[str] = field(default_factory=list)
    """Jobs whose work was to be stopped after they were taken off the queue."""
    endings: Endings = field(init=False)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.collector = Collector(blobs=self.blobs)
        self.results = MemoryResultStore(
            retention_s=RETENTION_S,
            retention_count=self.retention_count,
            on_dropped=self.collector.collect,
        )
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
