"""Pools, pipelines and an executor around scripted replicas."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_replica import Script, ScriptedReplica, serve

POLICY = HealthPolicy(min_attempt_timeout_s=0.1, max_attempt_timeout_s=0.1)


@dataclass
class Belt:
    """What carries jobs, without a queue."""

    pools: PoolDirectory
    pipelines: PipelineStore
    blobs: BlobStore
    replicas: dict[str, list[ScriptedReplica]]
    """By step."""

    @property
    def executor(self) -> Executor:
        return Executor(
            pipelines=self.pipelines,
            pools=self.pools,
            blobs=self.blobs,
            policy=RetryPolicy(base_delay_s=0.001),
            jitter=random.Random(1),
        )

    def make_ready(self) -> None:
        """Do what a monitor does after good probes."""
        for pool in self.pools.pools():
            for replica in pool.replicas:
                report = ReadyReport(revision="r1", max_batch_size=4, description="")
                pool.apply_probe(replica, report)

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
    blobs: BlobStore | None = None,
    policy: HealthPolicy = POLICY,
) -> AsyncIterator[Belt]:
    """Run one ready replica of each script for every stage of a pipeline."""
    wanted = pipeline or make_pipeline()
    async with AsyncExitStack() as stack:
        replicas = {
            str(stage.key): [
                await stack.enter_async_context(serve(script, revision=stage.model_revision))
                for script in scripts
            ]
            for stage in wanted.stages
        }
        pools = PoolDirectory(client=client, policy=policy)
        stack.push_async_callback(pools.close)
        pools.apply({step: [r.url for r in running] for step, running in replicas.items()})
        pipelines = PipelineStore()
        pipelines.replace([wanted])
        found = Belt(pools, pipelines, blobs or MemoryBlobStore(), replicas)
        found.make_ready()
        yield found
