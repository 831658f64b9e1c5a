"""A consumer between a queue, a store and scripted replicas."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dispatcher.blobs.base import BlobStore
from dispatcher.execution.consumer import Consumer
from dispatcher.execution.deadlines import Deadlines
from dispatcher.jobs import Job, JobState
from dispatcher.pipelines.model import Pipeline
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.results.memory import MemoryResultStore
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from tests.dispatcher.execution.belt import IMAGE, Belt, belt
from tests.dispatcher.records import make_job
from tests.dispatcher.scripted_replica import Script

DIGEST = hashlib.sha256(IMAGE).hexdigest()
NAMES = [f"job-{number}" for number in range(100)]


@dataclass
class Works:
    """A consumer and all that it works with."""

    line: Belt
    queue: MemoryJobQueue = field(default_factory=lambda: MemoryJobQueue(capacity=10_000))
    results: MemoryResultStore = field(
        default_factory=lambda: MemoryResultStore(retention_s=60, retention_count=10_000)
    )
    figures: Figures = field(default_factory=lambda: Figures(Metrics()))
    ended: list[Job] = field(default_factory=list)
    """What the consumer reported, once for each job."""
    void: list[Job] = field(default_factory=list)
    """What it reported of jobs that had ended early."""
    wanted_by_others: set[str] = field(default_factory=set)
    """Jobs whose work is wanted by others, too."""
    linked: list[tuple[str, str]] = field(default_factory=list)
    """Jobs of other dispatchers that were ended, and like which one."""
    answers: dict[str, Job] = field(default_factory=dict)
    """What is known by now of jobs that were taken off the queue."""
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        self.consumer = Consumer(
            queue=self.queue,
            results=self.results,
            executor=self.line.executor,
            pipelines=self.line.pipelines,
            pools=self.line.pools,
            figures=self.figures,
            deadlines=self.deadlines,
            expire=self._expire,
            is_wanted_by_others=self.wanted_by_others.__contains__,
            on_ended=self._note,
            end_linked=self._note_linked,
            find_answer=self._find_answer,
        )

    async def _note(self, outcome: Job, *, is_kept: bool) -> None:
        (self.ended if is_kept else self.void).append(outcome)

    async def _note_linked(self, job_id: str, outcome: Job) -> None:
        self.linked.append((job_id, outcome.id))

    async def _find_answer(self, job: Job) -> Job | None:
        return self.answers.get(job.id)

    async def _expire(self, job_id: str) -> None:
        await self.results.save((await self.results.get(job_id)).expired(time.time()))

    async def accept(self, *names: str, lane: str = "default", **changes: Any) -> None:
        for name in names:
            await self.line.blobs.put(DIGEST, IMAGE)
            job = make_job(name, **({"digest": DIGEST, "pipeline_id": lane} | changes))
            await self.results.add(job)
            await self.queue.put([job])

    async def state(self, name: str) -> JobState:
        return (await self.results.get(name)).state

    async def states(self, *names: str) -> set[JobState]:
        return {await self.state(name) for name in names}

    def start(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self.consumer.run())

    def is_idle(self) -> bool:
        return not (self.queue.depth() or self.queue.leased())

    def release_all(self) -> None:
        """Let every replica that holds its answer back give it."""
        for replicas in self.line.replicas.values():
            for replica in replicas:
                replica.released.set()


@asynccontextmanager
async def works(
    client: ReplicaClient,
    *scripts: Script,
    blobs: BlobStore | None = None,
    pipeline: Pipeline | None = None,
    others: tuple[Pipeline, ...] = (),
    policy: HealthPolicy | None = None,
) -> AsyncIterator[Works]:
    async with belt(
        client, *scripts, blobs=blobs, pipeline=pipeline, others=others, policy=policy
    ) as line:
        yield Works(line)


@asynccontextmanager
async def running(found: Works) -> AsyncIterator["asyncio.Task[None]"]:
    task = found.start()
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
