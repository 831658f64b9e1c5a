"""Pools, pipelines and an executor around scripted replicas."""

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.execution.attempts import Attempts
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.execution.retry_budget import BudgetPolicy, RetryBudget
from dispatcher.execution.stage_cache import StageCache
from dispatcher.jobs import Job
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.errors import AttemptError
from dispatcher.pools.health import HealthPolicy
from tests.dispatcher.records import make_job, make_pipeline
from tests.dispatcher.scripted_replica import Script, ScriptedReplica, serve

IMPATIENT = HealthPolicy(min_attempt_timeout_s=0.1, max_attempt_timeout_s=0.1)
"""For a replica that keeps silent. A busy machine may need longer for one that does not."""
IMAGE = b"koala"


@dataclass
class Belt:
    """What carries jobs, without a queue."""

    pools: PoolDirectory
    pipelines: PipelineStore
    blobs: BlobStore
    replicas: dict[str, list[ScriptedReplica]]
    """By step."""
    cache: StageCache = field(default_factory=StageCache)
    budget: BudgetPolicy = field(default_factory=BudgetPolicy)
    retried: list[AttemptError] = field(default_factory=list)
    """Why attempts were repeated, in order."""

    @property
    def executor(self) -> Executor:
        return Executor(
            pipelines=self.pipelines,
            blobs=self.blobs,
            attempts=Attempts(
                pools=self.pools,
                policy=RetryPolicy(base_delay_s=0.001),
                jitter=random.Random(1),
                create_budget=lambda: RetryBudget(self.budget),
                on_retry=self.retried.append,
            ),
            cache=self.cache,
        )

    async def run(self, *, image: bytes = IMAGE, **changes: Any) -> Job:
        """Carry a job to its end, with an image of its own for as long as that takes."""
        return await self.run_by(self.executor, image=image, **changes)

    async def run_by(self, executor: Executor, *, image: bytes = IMAGE, **changes: Any) -> Job:
        """Have an executor carry a job to its end."""
        digest = hashlib.sha256(image).hexdigest()
        await self.blobs.put(digest, image)
        job = make_job(**({"digest": digest} | changes)).started(time.time())
        try:
            async with asyncio.timeout(10):
                return await executor.run(job)
        finally:
            await self.blobs.release(digest)

    def make_ready(self) -> None:
        """Do what a monitor does after good probes."""
        for pool in self.pools.pools():
            for replica in pool.replicas:
                report = ReadyReport(revision="r1", max_batch_size=4, description="")
                pool.apply_probe(replica, report)

    def release(self) -> None:
        """Let every replica that holds its answer back give it, from now on."""
        for replicas in self.replicas.values():
            for replica in replicas:
                replica.released.set()

    def received(self) -> list[str]:
        """The ids of the items that arrived at any replica, one for each time."""
        return [
            name
            for replicas in self.replicas.values()
            for replica in replicas
            for ids in replica.ids()
            for name in ids
        ]


@asynccontextmanager
async def belt(
    client: ReplicaClient,
    *scripts: Script,
    pipeline: Pipeline | None = None,
    others: tuple[Pipeline, ...] = (),
    blobs: BlobStore | None = None,
    policy: HealthPolicy | None = None,
) -> AsyncIterator[Belt]:
    """Run one ready replica of each script for every step of all pipelines."""
    wanted = (pipeline or make_pipeline(), *others)
    stages = {str(stage.key): stage for found in wanted for stage in found.stages}
    async with AsyncExitStack() as stack:
        replicas = {
            step: [
                await stack.enter_async_context(serve(script, revision=stage.model_revision))
                for script in scripts
            ]
            for step, stage in stages.items()
        }
        pools = PoolDirectory(client=client, policy=policy or HealthPolicy())
        stack.push_async_callback(pools.close)
        pools.apply({step: [r.url for r in running] for step, running in replicas.items()})
        pipelines = PipelineStore()
        pipelines.replace(wanted)
        found = Belt(pools, pipelines, blobs or MemoryBlobStore(), replicas)
        found.make_ready()
        yield found
