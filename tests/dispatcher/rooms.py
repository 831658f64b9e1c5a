"""The dispatcher's rooms around intake, put together from their in-memory backends."""

from dataclasses import dataclass, field

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.submission import Intake
from dispatcher.jobs import Job
from dispatcher.pipelines.store import PipelineStore
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.results.memory import MemoryResultStore
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from tests.dispatcher.records import completed, make_pipeline


@dataclass
class Rooms:
    """All that intake works with, and intake."""

    queue: MemoryJobQueue = field(default_factory=lambda: MemoryJobQueue(capacity=3))
    results: MemoryResultStore = field(
        default_factory=lambda: MemoryResultStore(retention_s=60, retention_count=10_000)
    )
    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    pipelines: PipelineStore = field(default_factory=PipelineStore)
    cache: ResultCache = field(default_factory=lambda: ResultCache(max_size=10))
    coalescing: Coalescing = field(default_factory=Coalescing)
    figures: Figures = field(default_factory=lambda: Figures(Metrics()))
    is_draining: bool = False
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.pipelines.replace([make_pipeline()])
        self.intake = Intake(
            queue=self.queue,
            results=self.results,
            blobs=self.blobs,
            pipelines=self.pipelines,
            cache=self.cache,
            coalescing=self.coalescing,
            figures=self.figures,
            is_draining=lambda: self.is_draining,
        )

    async def end(self, job: Job) -> None:
        """Do with a job what a consumer does with one that it has carried to its end."""
        lease = await self.queue.reserve()
        assert lease.job_id == job.id
        if await self.results.save(job):
            self.figures.count_ended(job)
        await self.queue.ack(lease)
        await self.intake.settle(job)

    async def complete_next(self) -> Job:
        """Carry the oldest waiting job to its end."""
        lease = await self.queue.reserve()
        await self.queue.nack(lease)
        job = completed(await self.results.get(lease.job_id))
        await self.end(job)
        return job
