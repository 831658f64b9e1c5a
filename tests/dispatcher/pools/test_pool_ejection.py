import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    NotSentError,
    ReplicaLostError,
)
from dispatcher.pools.parcel import Answer
from dispatcher.pools.pool import Pool
from dispatcher.pools.replica import ReplicaState
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.pools.pooling import (
    NO_TURN_AWAY,
    ask,
    make_ready,
    process,
    replica_at,
    servers,
)
from tests.dispatcher.scripted_replica import Script
from tests.dispatcher.waiting import turns, until


@pytest.mark.parametrize("script", [scripted.reset, scripted.vanish, scripted.hang])
async def test_a_replica_that_does_not_answer_is_ejected_at_once(
    make_pool: Callable[..., Pool], stack: AsyncExitStack, script: Script
) -> None:
    pool = make_pool()
    bad, good = await servers(stack, script, scripted.answer)
    pool.set_replicas([bad.url, good.url])
    make_ready(pool)
    outcomes = await process(pool, *(str(n) for n in range(8)))
    assert {type(outcome) for outcome in outcomes if not isinstance(outcome, Answer)}
    assert replica_at(pool, bad).state is ReplicaState.EJECTED
    assert replica_at(pool, good).is_ready
    later = await process(pool, *(f"later-{n}" for n in range(8)))
    assert {getattr(answer, "replica_url", None) for answer in later} == {good.url}


async def test_a_port_where_nobody_listens_any_more_costs_no_attempt(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (good,) = await servers(stack, scripted.answer)
    gone = scripted.closed_url()
    pool.set_replicas([gone, good.url])
    make_ready(pool)
    for outcome in await process(pool, "a", "b", "c", "d"):
        assert isinstance(outcome, (Answer, NotSentError))
    assert [replica.state for replica in pool.replicas] == [
        ReplicaState.EJECTED,
        ReplicaState.READY,
    ]


@pytest.mark.parametrize("script", [scripted.break_down, scripted.swap_ids, scripted.say(b"no")])
async def test_a_replica_that_answers_wrongly_is_ejected_at_the_third_time(
    make_pool: Callable[..., Pool], stack: AsyncExitStack, script: Script
) -> None:
    pool = make_pool()
    bad, good = await servers(stack, script, scripted.answer)
    pool.set_replicas([bad.url, good.url])
    make_ready(pool)
    for number in range(3):
        assert replica_at(pool, bad).is_ready
        with pytest.raises(AttemptError):
            await ask(pool, str(number), avoid=[good.url])
        await turns(3)
    assert replica_at(pool, bad).state is ReplicaState.EJECTED


async def test_the_last_ready_replica_keeps_its_work_however_wrong_its_answers(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (bad,) = await servers(stack, scripted.in_turn(*[scripted.break_down] * 9, scripted.answer))
    pool.set_replicas([bad.url])
    make_ready(pool)
    for number in range(9):
        assert isinstance((await process(pool, str(number)))[0], AttemptError)
    assert isinstance((await process(pool, "9"))[0], Answer)


async def test_what_an_ejected_replica_had_comes_back_at_once(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (server,) = await servers(stack, scripted.in_turn(scripted.hold, scripted.reset))
    pool.set_replicas([server.url])
    make_ready(pool)
    first = asyncio.create_task(ask(pool, "a"))
    await until(lambda: server.requests)
    async with asyncio.timeout(1):
        with pytest.raises(NotSentError):
            await ask(pool, "b")
        with pytest.raises(ReplicaLostError):
            await first


async def test_a_replica_that_was_gone_is_back_with_the_next_good_probe(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool(NO_TURN_AWAY)
    (server,) = await servers(stack, scripted.in_turn(scripted.reset, scripted.answer))
    pool.set_replicas([server.url])
    make_ready(pool)
    await process(pool, "a")
    assert pool.slots == 0
    make_ready(pool)
    assert isinstance((await process(pool, "b"))[0], Answer)


async def test_a_silent_replica_may_pass_probes_and_is_still_out(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    silent, other = await servers(
        stack, scripted.in_turn(scripted.hang, scripted.answer), scripted.answer
    )
    pool.set_replicas([silent.url, other.url])
    make_ready(pool)
    with pytest.raises(AttemptTimeoutError):
        await ask(pool, "a", avoid=[other.url])
    make_ready(pool)
    assert replica_at(pool, silent).state is ReplicaState.EJECTED

    def is_back() -> bool:
        make_ready(pool)
        return replica_at(pool, silent).is_ready

    await until(is_back)
    assert (await ask(pool, "b", avoid=[other.url])).replica_url == silent.url


async def test_the_last_ready_replica_keeps_its_work_though_it_was_silent(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (server,) = await servers(stack, scripted.in_turn(scripted.hang, scripted.answer))
    pool.set_replicas([server.url])
    make_ready(pool)
    assert isinstance((await process(pool, "a"))[0], AttemptTimeoutError)
    assert isinstance((await process(pool, "b"))[0], Answer)


async def test_a_replica_that_misses_three_probes_in_a_row_is_ejected(
    make_pool: Callable[..., Pool], stack: AsyncExitStack
) -> None:
    pool = make_pool()
    (server,) = await servers(stack, scripted.hold)
    pool.set_replicas([server.url])
    make_ready(pool)
    replica = replica_at(pool, server)
    processing = asyncio.create_task(ask(pool, "a"))
    await until(lambda: server.requests)
    for probe_is_good in (False, False, True, False, False):
        if probe_is_good:
            make_ready(pool)
        else:
            pool.apply_probe(replica, None)
        assert replica.is_ready
    pool.apply_probe(replica, None)
    assert replica.state is ReplicaState.EJECTED
    with pytest.raises(ReplicaLostError):
        await processing


async def test_a_probe_of_a_replica_that_left_says_nothing_of_the_one_at_its_url(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool()
    pool.set_replicas(["http://127.0.0.1:1"])
    make_ready(pool)
    (left,) = pool.replicas
    left.failed_probes = 2
    pool.set_replicas([])
    pool.set_replicas(["http://127.0.0.1:1"])
    make_ready(pool)
    pool.apply_probe(left, None)
    assert [replica.is_ready for replica in pool.replicas] == [True]


async def test_a_probe_of_a_replica_that_was_removed_meanwhile_changes_nothing(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool()
    pool.set_replicas(["http://127.0.0.1:1"])
    (replica,) = pool.replicas
    pool.set_replicas([])
    for _ in range(5):
        pool.apply_probe(replica, None)
    assert pool.replicas == []
