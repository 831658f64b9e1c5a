"""One dispatcher's questions to a real Redis."""

import asyncio
import gc
import random
from functools import partial

import pytest
from redis.asyncio import Redis

from dispatcher.errors import ResultsUnavailableError
from dispatcher.servers.breaker import BreakerPolicy
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.servers.connecting import connected, given_up, reached
from tests.dispatcher.waiting import until
from tests.servers.proxy import TcpProxy
from tests.servers.redis import RedisServer

SLOW_S = 0.5


async def ping(client: Redis) -> bool:
    return await client.ping()


async def test_an_answer_is_what_redis_says(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await redis.run(lambda client: client.set("name", b"\x00\xff"))
        assert await redis.run(lambda client: client.get("name")) == b"\x00\xff"


async def test_who_asks_right_after_the_start_is_answered(redis_url: str) -> None:
    redis = RedisConnection(redis_url)
    assert redis.unready() == "Redis has not been reached yet"
    await redis.start()
    assert await redis.run(ping)
    assert redis.unready() is None
    await redis.close()


async def test_a_question_of_several_commands_is_one_question(redis_url: str) -> None:
    async def count(client: Redis) -> int:
        async with client.pipeline() as pipeline:
            pipeline.incr("count")
            pipeline.incr("count")
            return int((await pipeline.execute())[-1])

    async with connected(redis_url) as redis:
        assert await redis.run(count) == 2
        assert await redis.run(count) == 4


async def test_a_question_is_asked_to_its_end_though_the_caller_is_gone(redis_url: str) -> None:
    is_asked = asyncio.Event()

    async def ask(client: Redis) -> None:
        is_asked.set()
        await client.set("first", "1")
        await client.set("second", "2")

    async with connected(redis_url) as redis:
        asking = asyncio.create_task(redis.run(ask))
        await is_asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    async with connected(redis_url) as again:
        assert await again.run(lambda client: client.get("second")) == b"2"


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long anything takes is not what is looked at."""
    for limit in ("_WAIT_S", "_DEADLINE_S"):
        monkeypatch.setattr(f"dispatcher.servers.redis_connection.{limit}", 30)


@pytest.mark.usefixtures("_patient")
async def test_nobody_gets_the_answer_to_anothers_question(far_url: str, seed: int) -> None:
    """CVE-2023-28858: a caller that was cancelled left its answer to the next."""
    dice = random.Random(seed)
    keys = [f"key {number}" for number in range(60)]

    async def ask(redis: RedisConnection, key: str) -> None:
        await asyncio.sleep(dice.uniform(0, 0.05))
        for _ in range(10):
            value = await redis.run(lambda client: client.get(key))
            assert value == key.encode()

    async with connected(far_url) as redis:
        await redis.run(lambda client: client.mset({key: key for key in keys}))
        asking = [asyncio.create_task(ask(redis, key)) for key in keys]
        for task in dice.sample(asking, 40):
            await asyncio.sleep(dice.uniform(0, 0.004))
            task.cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
    wrong = [error for error in outcomes if error and not isinstance(error, asyncio.CancelledError)]
    assert not wrong


async def test_an_answer_that_came_too_late_is_nobodys(
    far_url: str, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(far_url) as redis:
        await redis.run(lambda client: client.mset({"late": "late", "next": "next"}))
        monkeypatch.setattr("dispatcher.servers.redis_connection._DEADLINE_S", 0.1)
        proxy.drop(answers_only=True)
        with pytest.raises(ResultsUnavailableError):
            await redis.run(lambda client: client.get("late"))
        proxy.heal()
        monkeypatch.undo()
        for _ in range(5):
            assert await redis.run(lambda client: client.get("next")) == b"next"


@pytest.mark.usefixtures("_patient")
async def test_a_burst_of_questions_opens_no_more_connections_than_allowed(
    far_url: str, proxy: TcpProxy
) -> None:
    async with connected(far_url) as redis:
        await asyncio.gather(*(redis.run(ping) for _ in range(300)))
        assert proxy.connections <= 32 + 1  # the feed's own, once there is a channel


async def test_what_redis_refuses_says_nothing_against_redis(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(redis_url) as redis:
        await redis.run(lambda client: client.set("text", "a"))
        for _ in range(5):
            with pytest.raises(ResultsUnavailableError, match="Redis refuses a command"):
                await redis.run(lambda client: client.lpush("text", "b"))
        assert "WRONGTYPE" in caplog.text
        assert await redis.run(lambda client: client.get("text")) == b"a"


async def test_messages_are_told_to_who_listens(redis_url: str) -> None:
    heard: list[bytes] = []
    redis = RedisConnection(redis_url)
    redis.subscribe(f"ends of {redis_url}", heard.append)
    is_listening = asyncio.Event()
    redis.on_return(is_listening.set)
    await redis.start()
    await is_listening.wait()
    await redis.publish(f"ends of {redis_url}", b"\x00a job")
    await until(lambda: heard == [b"\x00a job"])
    await redis.close()


# Away


@pytest.fixture
def _impatient(_soon_again: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.servers.redis_connection._DEADLINE_S", 0.4)


@pytest.mark.usefixtures("_impatient")
async def test_a_redis_that_is_silent_is_asked_three_times_and_then_left_alone(
    far_url: str, proxy: TcpProxy
) -> None:
    asked = 0

    async def ask(client: Redis) -> bool:
        nonlocal asked
        asked += 1
        return await client.ping()

    async with connected(far_url) as redis:
        proxy.drop()
        for _ in range(6):
            with pytest.raises(ResultsUnavailableError, match="does not answer in time") as error:
                await redis.run(ask)
            assert error.value.retry_after_s
        assert asked <= 3  # a look of its own may have been one of them
        assert redis.unready() == "Redis does not answer in time"


@pytest.mark.usefixtures("_impatient")
async def test_it_comes_back_by_itself_and_says_so(far_url: str, proxy: TcpProxy) -> None:
    returns: list[str] = []
    async with connected(far_url) as redis:
        redis.on_return(lambda: returns.append("back"))
        proxy.drop()
        await given_up(redis, "does not answer")
        assert not returns
        proxy.heal()
        await reached(redis)
        assert returns == ["back"]
        assert await redis.run(ping)


@pytest.mark.usefixtures("_soon_again")
async def test_connections_from_before_an_outage_are_not_used_after_it(
    far_url: str, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may be at their other end any more, and each would cost somebody a time-out."""
    deadline = "dispatcher.servers.redis_connection._DEADLINE_S"
    monkeypatch.setattr(deadline, 3.0)
    async with connected(far_url) as redis:
        proxy.delay(0.02)
        await asyncio.gather(*(redis.run(ping) for _ in range(20)))
        before = proxy.connections
        assert before >= 20
        proxy.drop()
        monkeypatch.setattr(deadline, 0.4)
        await given_up(redis, "does not answer")
        monkeypatch.setattr(deadline, 3.0)
        proxy.heal()
        await reached(redis)
        proxy.delay(0.02)
        await asyncio.gather(*(redis.run(ping) for _ in range(20)))
        assert proxy.connections >= before + 20


@pytest.mark.usefixtures("_impatient")
async def test_callers_of_a_silent_redis_pile_up_no_connections(
    far_url: str, proxy: TcpProxy
) -> None:
    async with connected(far_url) as redis:
        proxy.drop()
        asking = [redis.run(ping) for _ in range(200)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ResultsUnavailableError}
        assert proxy.open_connections <= 2 * 32  # a connection that is given up closes a bit later


async def test_a_start_does_not_wait_for_a_redis_that_is_away(
    far_url: str, proxy: TcpProxy
) -> None:
    proxy.refuse()
    redis = RedisConnection(far_url)
    await redis.start()
    await given_up(redis, "Redis refuses the connection")
    with pytest.raises(ResultsUnavailableError, match="Redis refuses the connection"):
        await redis.run(ping)
    proxy.heal()
    await reached(redis)
    assert await redis.run(ping)
    await redis.close()


@pytest.fixture
def _slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slow takes so long that a busy machine, whose timers are late, is told from it."""
    slowly = partial(
        BreakerPolicy, slow_s=SLOW_S, probe_interval_s=0.1, first_pause_s=0.05, max_pause_s=0.1
    )
    monkeypatch.setattr("dispatcher.servers.watch.BreakerPolicy", slowly)


@pytest.mark.usefixtures("_patient", "_slowly")
async def test_a_redis_that_is_slow_is_left_alone_until_it_is_fast(
    far_url: str, proxy: TcpProxy
) -> None:
    async with connected(far_url) as redis:
        proxy.delay(0.6 * SLOW_S)  # there, and back
        await given_up(redis, "Redis answers too slowly")
        proxy.heal()
        await reached(redis)


async def test_connections_that_a_restart_has_ended_disturb_nobody(own_redis: RedisServer) -> None:
    async with connected(own_redis.url()) as redis:
        await asyncio.gather(*(redis.run(ping) for _ in range(20)))
        own_redis.kill()
        own_redis.start()
        assert all(await asyncio.gather(*(redis.run(ping) for _ in range(20))))


async def test_wrong_credentials_are_named_and_not_quoted(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis = RedisConnection(redis_server.url().replace(redis_server.password, "hunter2"))
    await redis.start()
    await given_up(redis, "Redis refuses the credentials")
    assert redis.refuses()
    with pytest.raises(ResultsUnavailableError) as error:
        await redis.run(ping)
    assert "hunter2" not in f"{error.value} {error.value.detail} {caplog.text}"
    await redis.close()


async def test_what_is_wrong_with_a_question_is_the_callers_error(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        with pytest.raises(ZeroDivisionError):
            await redis.run(lambda client: client.get(str(1 // 0)))
        assert await redis.run(ping)


async def test_a_failure_that_nobody_waits_for_any_more_is_no_surprise(redis_url: str) -> None:
    """An exception that nobody asks for would be told as an error of the program."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    may_fail, is_asked = asyncio.Event(), asyncio.Event()

    async def fail(client: Redis) -> None:
        is_asked.set()
        await may_fail.wait()
        raise OSError

    async with connected(redis_url) as redis:
        asking = asyncio.create_task(redis.run(fail))
        await is_asked.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        may_fail.set()
        await until(lambda: not redis._asking)
        del asking
        gc.collect()
        assert told == []
