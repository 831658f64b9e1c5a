"""A connection to a real Redis that is closed: what was asked is answered, and nothing is left."""

import asyncio

from dispatcher.errors import ResultsUnavailableError
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.servers.connecting import reached
from tests.dispatcher.waiting import until
from tests.servers.proxy import TcpProxy


async def test_a_connection_may_be_closed_at_any_moment_of_its_opening(redis_url: str) -> None:
    for number in range(40):
        redis = RedisConnection(redis_url)
        redis.subscribe("any", lambda _: None)
        await redis.start()
        await asyncio.sleep(0.0002 * number)
        async with asyncio.timeout(10):
            await redis.close()


async def test_closing_waits_for_what_was_asked(far_url: str, proxy: TcpProxy) -> None:
    redis = RedisConnection(far_url)
    await redis.start()
    await reached(redis)
    proxy.delay(0.05)
    asking = asyncio.create_task(redis.run(lambda client: client.set("asked", "1")))
    await until(lambda: redis._asking)
    await redis.close()
    assert await asking


async def test_what_is_asked_while_it_closes_opens_no_connection_for_ever(
    far_url: str, proxy: TcpProxy
) -> None:
    redis = RedisConnection(far_url)
    await redis.start()
    await reached(redis)
    proxy.delay(0.02)
    asked, refused = 0, asyncio.Event()

    async def ask_again_and_again() -> None:
        nonlocal asked
        while not refused.is_set():
            try:
                await redis.run(lambda client: client.ping())
                asked += 1
            except ResultsUnavailableError as exc:
                assert "was closed" in str(exc.detail)
                refused.set()

    asking = [asyncio.create_task(ask_again_and_again()) for _ in range(4)]
    await until(lambda: asked > 4)
    await redis.close()
    await asyncio.gather(*asking)
    await until(lambda: proxy.open_connections == 0)
