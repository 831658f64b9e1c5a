import asyncio
from contextlib import AsyncExitStack

import pytest

from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.errors import AttemptError, ReplicaLostError
from dispatcher.pools.health import FailureKind, HealthPolicy
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.pooling import NO_TURN_AWAY, ask, servers
from tests.dispatcher.scripted_replica import echo_of
from tests.dispatcher.waiting import turns, until

A, B, C = (f"http://127.0.0.1:{port}" for port in (1, 2, 3))
REPORT = ReadyReport(revision="r1", max_batch_size=4, description="")


def make_directory() -> PoolDirectory:
    return PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())


def urls(directory: PoolDirectory) -> dict[str, list[str]]:
    return {pool.step: [replica.url for replica in pool.replicas] for pool in directory.pools()}


def make_ready(directory: PoolDirectory) -> None:
    for pool in directory.pools():
        for replica in pool.replicas:
            pool.apply_probe(replica, REPORT)


def test_a_step_that_no_record_names_has_a_pool_without_replicas() -> None:
    directory = make_directory()
    pool = directory.get("default/0")
    assert pool.replicas == []
    assert directory.get("default/0") is pool


def test_the_pools_are_as_the_records_say() -> None:
    directory = make_directory()
    directory.apply({"default/0": [A, B], "default/1": [C]})
    assert urls(directory) == {"default/0": [A, B], "default/1": [C]}
    directory.apply({"default/0": [B]})
    assert urls(directory) == {"default/0": [B]}
    assert [replica.url for replica in directory.replicas()] == [B]


def test_there_is_a_slot_for_two_batches_of_every_ready_replica() -> None:
    directory = make_directory()
    directory.apply({"default/0": [A, B], "default/1": [C]})
    assert directory.slots() == 0
    make_ready(directory)
    assert directory.slots() == 3 * 2 * 4


async def test_it_waits_until_all_of_a_step_are_ready_and_there_are_enough() -> None:
    directory = make_directory()
    directory.apply({"default/0": [A]})
    make_ready(directory)
    waiting = asyncio.create_task(directory.wait_all_ready("default/0", 2))
    await turns(5)
    directory.apply({"default/0": [A, B]})
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    make_ready(directory)
    async with asyncio.timeout(5):
        await waiting


async def test_replicas_of_other_steps_are_not_waited_for() -> None:
    directory = make_directory()
    directory.apply({"default/0": [A]})
    make_ready(directory)
    directory.apply({"default/0": [A], "slow/0": [B]})
    async with asyncio.timeout(5):
        await directory.wait_all_ready("default/0", 1)


async def test_a_change_of_the_records_is_a_reason_to_look_for_room() -> None:
    directory = make_directory()
    async with asyncio.timeout(5):
        directory.apply({"default/0": [A]})
        await directory.room.wait()
    waiting = asyncio.create_task(directory.room.wait())
    await turns(3)
    assert not waiting.done(), "one change wakes once"
    make_ready(directory)
    async with asyncio.timeout(5):
        await waiting


@pytest.mark.parametrize("is_closed", [False, True])
async def test_work_of_a_step_that_is_gone_comes_to_its_end_unless_all_is_closed(
    client: ReplicaClient, stack: AsyncExitStack, is_closed: bool
) -> None:
    (server,) = await servers(stack, scripted.hold)
    directory = PoolDirectory(client=client, policy=NO_TURN_AWAY)
    directory.apply({"default/0": [server.url]})
    make_ready(directory)
    working = asyncio.create_task(ask(directory.get("default/0"), "a"))
    await until(lambda: server.requests)
    directory.apply({})
    assert directory.pools() == []
    directory.apply({})
    if is_closed:
        async with asyncio.timeout(5):
            await directory.close()
        with pytest.raises(ReplicaLostError):
            await working
    else:
        server.released.set()
        assert echo_of(await working) == "a"


async def test_whoever_asked_is_told_why_a_replica_of_any_step_is_ejected(
    client: ReplicaClient, stack: AsyncExitStack
) -> None:
    (server,) = await servers(stack, scripted.reset)
    told: list[FailureKind] = []
    directory = PoolDirectory(client=client, policy=NO_TURN_AWAY, on_ejected=told.append)
    stack.push_async_callback(directory.close)
    directory.apply({"default/0": [server.url], "other/0": [scripted.closed_url()]})
    make_ready(directory)
    for step in ("default/0", "other/0"):
        with pytest.raises(AttemptError):
            await ask(directory.get(step), "a")
    assert told == [FailureKind.GONE, FailureKind.GONE]
