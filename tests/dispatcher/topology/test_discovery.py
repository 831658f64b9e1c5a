import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from dispatcher.errors import StartupError
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.discovery import follow_records
from tests.dispatcher.topology.test_configmap import make_record
from tests.dispatcher.waiting import until


class Snapshots:
    """Records as a test says them, one set after the other."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Sequence[StepRecord]] = asyncio.Queue()

    async def snapshots(self) -> AsyncIterator[Sequence[StepRecord]]:
        while True:
            yield await self.said.get()


async def test_pipelines_and_pools_are_as_the_records_say() -> None:
    discovery, pipelines = Snapshots(), PipelineStore()
    pools = PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())
    following = asyncio.create_task(follow_records(discovery, pipelines=pipelines, pools=pools))
    discovery.said.put_nowait([make_record("0"), make_record("1", endpoints=())])
    await until(pools.replicas)
    assert [len(pipeline.stages) for pipeline in pipelines.all()] == [2]
    assert [replica.url for replica in pools.replicas()] == list(make_record().endpoints)
    assert [pool.step for pool in pools.pools()] == ["default/0", "default/1"]

    discovery.said.put_nowait([])
    await until(lambda: not pipelines.all())
    assert pools.replicas() == []
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_record_without_a_revision_has_the_one_that_its_replicas_report() -> None:
    discovery, pipelines = Snapshots(), PipelineStore()
    pools = PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())
    following = asyncio.create_task(follow_records(discovery, pipelines=pipelines, pools=pools))
    record = make_record("0", model_revision="")
    discovery.said.put_nowait([record])
    await until(pools.replicas)
    assert pipelines.all()[0].revision == ""
    report = ReadyReport(revision="r7", max_batch_size=1, description="")
    pools.get("default/0").apply_probe(pools.replicas()[0], report)
    await until(lambda: pipelines.all()[0].revision == "r7")

    # It outlives the replicas that reported it.
    discovery.said.put_nowait([make_record("0", model_revision="", endpoints=())])
    await until(lambda: not pools.replicas())
    assert pipelines.all()[0].revision == "r7"
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_following_ends_as_discovery_does() -> None:
    class Forbidden:
        async def snapshots(self) -> AsyncIterator[Sequence[StepRecord]]:
            yield []
            raise StartupError("it may not look")

    pools = PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())
    with pytest.raises(StartupError, match="it may not look"):
        await follow_records(Forbidden(), pipelines=PipelineStore(), pools=pools)
