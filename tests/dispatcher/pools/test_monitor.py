import asyncio
from collections.abc import AsyncIterator

import pytest

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.monitor import HealthMonitor
from dispatcher.pools.replica import Replica, ReplicaState
from tests.dispatcher.scripted_replica import closed_url, serve, silence
from tests.dispatcher.waiting import until

QUICK = HealthPolicy(
    probe_interval_s=0.01, starting_probe_interval_s=0.01, probe_timeout_s=0.05, probes_to_eject=2
)


@pytest.fixture
async def directory(client: ReplicaClient) -> AsyncIterator[PoolDirectory]:
    pools = PoolDirectory(client=client, policy=QUICK)
    running = asyncio.create_task(HealthMonitor(pools, client=client, policy=QUICK).run())
    yield pools
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await pools.close()


def replica(directory: PoolDirectory) -> Replica:
    (found,) = directory.replicas()
    return found


async def test_a_starting_replica_is_ready_as_soon_as_it_says_so(directory: PoolDirectory) -> None:
    async with serve(is_ready=False, revision="r7", max_batch_size=3) as server:
        directory.apply({"default/0": [server.url]})
        await until(lambda: replica(directory).failed_probes > 2)
        assert replica(directory).state is ReplicaState.STARTING
        server.is_ready = True
        await until(lambda: replica(directory).is_ready)
        assert (replica(directory).revision, directory.slots()) == ("r7", 6)


async def test_a_replica_that_is_no_longer_ready_is_ejected_and_comes_back(
    directory: PoolDirectory,
) -> None:
    async with serve() as server:
        directory.apply({"default/0": [server.url]})
        await until(lambda: replica(directory).is_ready)
        server.is_ready = False
        await until(lambda: replica(directory).state is ReplicaState.EJECTED)
        server.is_ready = True
        await until(lambda: replica(directory).is_ready)


async def test_replicas_that_are_silent_or_gone_hold_up_no_other(directory: PoolDirectory) -> None:
    async with serve() as server:
        with silence() as silent:
            directory.apply({"default/0": [silent, closed_url(), server.url]})
            await until(lambda: any(replica.is_ready for replica in directory.replicas()))
            states = [replica.state for replica in directory.replicas()]
            assert states == [ReplicaState.STARTING, ReplicaState.STARTING, ReplicaState.READY]


async def test_a_replica_that_says_nonsense_is_probed_again(directory: PoolDirectory) -> None:
    async with serve(ready_document=b"[" * 100_000) as server:
        directory.apply({"default/0": [server.url]})
        await until(lambda: replica(directory).failed_probes > 1)
        server.ready_document = None
        await until(lambda: replica(directory).is_ready)
