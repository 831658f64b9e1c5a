"""A replica that shall no longer exist finishes what it has begun, and gets nothing more."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

from aiohttp import web

from dispatcher.pools.errors import NotSentError, ReplicaLostError
from dispatcher.pools.pool import Pool
from dispatcher.pools.replica import Replica
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.loaded_lane import Loaded, outcomes
from tests.dispatcher.pools.pooling import NO_TURN_AWAY, ask, make_ready, servers
from tests.dispatcher.scripted_replica import Request, echo_of
from tests.dispatcher.waiting import turns, until


async def test_it_answers_what_it_has_begun(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(NO_TURN_AWAY)
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    processing = [asyncio.create_task(ask(pool, str(n))) for n in range(8)]
    await until(lambda: len(server.requests) == 2)
    pool.set_replicas([])
    assert (pool.slots, pool.replicas) == (0, [])
    await turns(5)
    assert not any(task.done() for task in processing)
    server.released.set()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*processing)
    assert [echo_of(answer) for answer in answers] == [str(n) for n in range(8)]


async def test_what_comes_later_goes_to_the_others(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(NO_TURN_AWAY)
    leaves, stays = await servers(stack, scripted.hold, scripted.answer)
    pool.set_replicas([leaves.url])
    make_ready(pool)
    begun = asyncio.create_task(ask(pool, "begun"))
    await until(lambda: leaves.requests)
    pool.set_replicas([stays.url])
    make_ready(pool)
    for number in range(5):
        assert (await ask(pool, str(number))).replica_url == stays.url
    leaves.released.set()
    assert (await begun).replica_url == leaves.url


async def test_what_it_has_not_begun_is_given_back_at_no_cost(loaded: Loaded) -> None:
    loaded.server.script = scripted.hold
    begun = loaded.add("a")
    await until(lambda: loaded.server.requests)
    waiting = loaded.add("B")  # travels alone, so not before the other has landed
    await turns(3)
    loaded.lane.retire()
    assert [type(outcome) for outcome in await outcomes(waiting)] == [NotSentError]
    assert not loaded.lane.is_idle
    loaded.server.released.set()
    await outcomes(begun)
    await until(lambda: loaded.lane.is_idle)
    assert loaded.server.ids() == [["a"]]


async def test_one_that_ends_too_soon_gives_back_the_rest_at_once(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    async def reset_when_released(request: Request) -> web.StreamResponse:
        await request.replica.released.wait()
        if request.number == 0:
            return await scripted.reset(request)
        return await scripted.hang(request)

    pool = make_pool(NO_TURN_AWAY)
    (server,) = await servers(stack, reset_when_released)
    pool.set_replicas([server.url])
    make_ready(pool)
    processing = [asyncio.create_task(ask(pool, str(n))) for n in range(8)]
    await until(lambda: len(server.requests) == 2)
    pool.set_replicas([])
    server.released.set()
    async with asyncio.timeout(5):
        given_back = await asyncio.gather(*processing, return_exceptions=True)
    assert Counter(map(type, given_back)) == {ReplicaLostError: 4, NotSentError: 4}


async def test_nobody_waits_for_one_whose_item_is_cancelled(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(NO_TURN_AWAY)
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    processing = asyncio.create_task(ask(pool, "a"))
    await until(lambda: server.requests)
    pool.set_replicas([])
    processing.cancel()
    await asyncio.gather(processing, return_exceptions=True)
    before = pool.busy_s(now=time.monotonic())
    await turns(3)
    assert pool.busy_s(now=time.monotonic() + 1000) - before < 500, "it is no longer busy"


async def test_one_that_comes_back_is_known_anew(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(NO_TURN_AWAY)
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    begun = asyncio.create_task(ask(pool, "a"))
    await until(lambda: server.requests)
    pool.set_replicas([])
    pool.set_replicas([server.url])
    assert pool.slots == 0, "it must say again that it is ready"
    make_ready(pool)
    again = asyncio.create_task(ask(pool, "b"))
    server.released.set()
    assert [echo_of(await task) for task in (begun, again)] == ["a", "b"]


def test_time_counts_as_busy_while_anything_is_on_hand() -> None:
    replica = Replica(url="http://a", step="s")
    replica.take_on(now=10.0)
    replica.take_on(now=11.0)
    replica.let_go(1, now=12.0)
    assert replica.busy_s(now=13.0) == 3.0
    replica.let_go(1, now=14.0)
    assert replica.busy_s(now=99.0) == 4.0
    replica.take_on(now=100.0)
    replica.let_go(0, now=101.0)
    replica.let_go(1, now=102.0)
    assert replica.busy_s(now=200.0) == 6.0


async def test_a_pool_remembers_how_busy_those_were_that_left(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(NO_TURN_AWAY)
    one, other = await servers(stack, scripted.answer, scripted.answer)
    pool.set_replicas([one.url, other.url])
    make_ready(pool)
    await asyncio.gather(*(ask(pool, str(n)) for n in range(8)))
    busy_s = pool.busy_s(now=time.monotonic())
    assert busy_s > 0
    pool.set_replicas([])
    assert pool.busy_s(now=time.monotonic() + 1000) == busy_s
