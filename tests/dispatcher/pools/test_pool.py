import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from dispatcher.pools.errors import AttemptError, NoCapacityError, NotSentError, ReplicaLostError
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.parcel import Answer
from dispatcher.pools.pool import Pool
from dispatcher.pools.replica import ReplicaState
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.pooling import (
    ask,
    item,
    make_ready,
    process,
    replica_at,
    servers,
)
from tests.dispatcher.scripted_replica import Script, echo_of
from tests.dispatcher.waiting import turns, until

# Giving out items


async def test_an_item_waits_until_a_replica_is_ready(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    waiting = asyncio.create_task(ask(pool, "a"))
    await turns(5)
    (server,) = await servers(stack, scripted.answer)
    pool.set_replicas([server.url])
    await turns(5)
    assert not waiting.done()
    assert pool.slots == 0
    make_ready(pool)
    assert echo_of(await waiting) == "a"
    assert pool.slots == 8


async def test_items_are_spread_over_the_replicas(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    started = await servers(stack, *[scripted.hold] * 3)
    pool.set_replicas(server.url for server in started)
    make_ready(pool)
    processing = [asyncio.create_task(ask(pool, str(n))) for n in range(12)]
    await until(lambda: all(server.requests for server in started))
    assert [replica.ongoing for replica in pool.replicas] == [4, 4, 4]
    for server in started:
        server.released.set()
    await asyncio.gather(*processing)
    assert [replica.served for replica in pool.replicas] == [4, 4, 4]


async def test_no_replica_has_more_than_two_batches(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    processing = [asyncio.create_task(ask(pool, str(n))) for n in range(30)]
    await until(lambda: len(server.requests) == 2)
    assert replica_at(pool, server).ongoing == 8
    server.released.set()
    await asyncio.gather(*processing)
    arrived = [name for ids in server.ids() for name in ids]
    assert arrived == [str(n) for n in range(30)]


async def test_an_item_that_nobody_waits_for_any_more_is_not_given_out(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    given_up, other = (asyncio.create_task(ask(pool, name)) for name in "ab")
    await turns(3)
    given_up.cancel()
    (server,) = await servers(stack, scripted.answer)
    pool.set_replicas([server.url])
    make_ready(pool)
    await other
    assert server.ids() == [["b"]]


async def test_room_that_is_given_up_at_once_goes_to_those_who_wait(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (server,) = await servers(stack, scripted.answer)
    pool.set_replicas([server.url])
    make_ready(pool, max_batch_size=1)
    first, second, third = (asyncio.create_task(ask(pool, name)) for name in "abc")
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    async with asyncio.timeout(5):
        assert echo_of(await third) == "c"


async def test_an_item_avoids_a_replica_that_failed_it(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    one, other = await servers(stack, scripted.answer, scripted.answer)
    pool.set_replicas([one.url, other.url])
    make_ready(pool)
    for _ in range(5):
        answer = await ask(pool, "a", avoid=[one.url])
        assert answer.replica_url == other.url


async def test_an_item_that_avoids_the_free_replicas_lets_others_pass(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    free, full = await servers(stack, scripted.answer, scripted.hold)
    pool.set_replicas([free.url, full.url])
    make_ready(pool, max_batch_size=1)
    held = [asyncio.create_task(ask(pool, str(n), avoid=[free.url])) for n in range(2)]
    await until(lambda: len(full.requests) == 2)
    waiting = asyncio.create_task(ask(pool, "waits", avoid=[free.url]))
    await turns(3)
    async with asyncio.timeout(5):
        assert (await ask(pool, "passes")).replica_url == free.url
    assert not waiting.done()
    full.released.set()
    assert (await waiting).replica_url == full.url
    await asyncio.gather(*held)


async def test_an_item_waits_for_room_no_longer_than_its_patience(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    with pytest.raises(NoCapacityError):
        await pool.process(item("a"), patience_s=0.01)
    (server,) = await servers(stack, scripted.answer)
    pool.set_replicas([server.url])
    make_ready(pool)
    assert isinstance((await process(pool, "b"))[0], Answer)
    assert server.ids() == [["b"]], "what gave up is not sent later"


async def test_patience_is_for_room_and_not_for_the_answer(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(HealthPolicy())
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    waits = asyncio.create_task(pool.process(item("a"), patience_s=0.2))
    await turns(3)
    make_ready(pool)
    at_once = asyncio.create_task(pool.process(item("b"), patience_s=0.0))
    await asyncio.wait([waits, at_once], timeout=0.3)
    assert not waits.done()
    assert not at_once.done()
    server.released.set()
    await asyncio.gather(waits, at_once)


async def test_room_is_announced_when_an_answer_comes(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    announced = asyncio.Event()
    pool = make_pool(on_room=announced.set)
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    processing = asyncio.create_task(ask(pool, "a"))
    await until(lambda: server.requests)
    announced.clear()
    server.released.set()
    async with asyncio.timeout(5):
        await announced.wait()
    await processing


# The set of replicas


async def test_replicas_that_stay_keep_what_is_known_of_them(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    stays, goes, comes = await servers(stack, *[scripted.answer] * 3)
    pool.set_replicas([stays.url, goes.url])
    make_ready(pool)
    await process(pool, "a", "b")
    kept = replica_at(pool, stays)
    pool.set_replicas([comes.url, stays.url, comes.url])
    assert replica_at(pool, stays) is kept
    assert kept.is_ready
    assert replica_at(pool, comes).state is ReplicaState.STARTING
    assert len(pool.replicas) == 2


async def test_closing_gives_back_everything(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    processing = [asyncio.create_task(ask(pool, str(n))) for n in range(20)]
    await until(lambda: len(server.requests) == 2)
    async with asyncio.timeout(5):
        await pool.close()
        outcomes = await asyncio.gather(*processing, return_exceptions=True)
    assert Counter(type(outcome) for outcome in outcomes) == {
        ReplicaLostError: 4,
        NotSentError: 16,
    }


# All together


@pytest.mark.parametrize("seed", range(3))
async def test_every_item_is_answered_rightly_or_given_back_whatever_the_replicas_do(
    make_pool: Callable[..., Pool], stack: AsyncExitStack, seed: int
) -> None:
    dice = random.Random(seed)
    bad: list[Script] = [
        scripted.reset,
        scripted.vanish,
        scripted.break_down,
        scripted.break_off,
        scripted.swap_ids,
        scripted.hang,
        scripted.drip,
        scripted.say(b"garbage"),
        scripted.reply_with(lambda i: scripted.item_reply(i, body=b'{"s": [NaN]}')),
    ]
    pool = make_pool()
    good: Script = scripted.answer
    started = await servers(
        stack,
        *(
            scripted.in_turn(*(dice.choice([good, good, dice.choice(bad)]) for _ in range(200)))
            for _ in range(3)
        ),
    )
    pool.set_replicas(server.url for server in started)

    async def keep_ready() -> None:
        while True:
            make_ready(pool)
            if dice.random() < 0.1:
                pool.set_replicas(dice.sample([s.url for s in started], dice.randint(1, 3)))
            await asyncio.sleep(0.01)

    probing = asyncio.create_task(keep_ready())
    names = [str(n) for n in range(300)]
    outcomes = await process(pool, *names)
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, Answer):
            assert echo_of(outcome) == name
        else:
            assert isinstance(outcome, AttemptError)
    assert any(isinstance(outcome, Answer) for outcome in outcomes)
    await until(lambda: all(replica.ongoing == 0 for replica in pool.replicas))
