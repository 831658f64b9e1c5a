"""Messages of channels, from a real Redis through a network that breaks."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from dispatcher.servers.redis_client import make_client
from dispatcher.servers.redis_feed import RedisFeed
from tests.dispatcher.waiting import turns, until
from tests.servers.proxy import TcpProxy
from tests.servers.redis import RedisServer


class Listener:
    """Listens to channels that no other test uses."""

    def __init__(self, server: RedisServer, port: int) -> None:
        client = make_client(server.url(port=port), max_connections=1, deadline_s=0.5)
        self.feed = RedisFeed(client, on_return=self._note_return)
        self.returns = 0
        self.heard: list[bytes] = []
        self._server = server
        self._prefix = secrets.token_hex(4)
        self._loop = asyncio.create_task(self.feed.run())

    def listen(self, channel: str) -> None:
        self.feed.subscribe(self._prefix + channel, self.heard.append)

    def listen_badly(self, channel: str) -> None:
        def fail(_: bytes) -> None:
            raise KeyError("a mistake")

        self.feed.subscribe(self._prefix + channel, fail)

    def tell(self, channel: str, message: bytes) -> int:
        """Return how many listened."""
        with self._server.client() as client:
            return int(client.publish(self._prefix + channel, message))

    async def close(self) -> None:
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        await self.feed.close()

    def _note_return(self) -> None:
        self.returns += 1


@pytest.fixture
async def listener(
    redis_server: RedisServer, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Listener]:
    """A feed that is soon impatient."""
    monkeypatch.setattr("dispatcher.servers.redis_feed._ASK_AFTER_S", 0.1)
    monkeypatch.setattr("dispatcher.servers.redis_feed._PAUSE_S", 0.02)
    listener = Listener(redis_server, proxy.port)
    yield listener
    await listener.close()


async def test_each_channel_has_its_own_listener(listener: Listener) -> None:
    listener.listen("a")
    listener.listen_badly("b")
    await until(lambda: listener.returns == 1)
    for message in (b"1", b"\x00\xff"):
        assert listener.tell("b", message) == 1
        assert listener.tell("a", message) == 1
    assert listener.tell("c", b"3") == 0
    await until(lambda: listener.heard == [b"1", b"\x00\xff"])


async def test_nothing_is_opened_while_nobody_listens(listener: Listener, proxy: TcpProxy) -> None:
    await turns(50)
    assert proxy.connections == 0


async def test_a_channel_may_be_added_at_any_time(listener: Listener, proxy: TcpProxy) -> None:
    listener.listen("a")
    await until(lambda: listener.returns == 1)
    listener.listen("b")
    await until(lambda: listener.returns == 2)
    listener.tell("b", b"late")
    listener.tell("a", b"early")
    await until(lambda: listener.heard == [b"late", b"early"])
    assert proxy.connections == 1


async def test_a_channel_may_be_added_while_others_are_asked_for(
    listener: Listener, proxy: TcpProxy
) -> None:
    proxy.delay(0.05)
    listener.listen("a")
    await until(lambda: proxy.connections == 1)
    listener.listen("b")
    proxy.heal()
    await until(lambda: listener.tell("a", b"1") and listener.tell("b", b"2"))
    await until(lambda: {b"1", b"2"} <= set(listener.heard))
    assert proxy.connections == 1


async def test_silence_is_no_loss(listener: Listener, proxy: TcpProxy) -> None:
    listener.listen("a")
    await until(lambda: proxy.bytes_to_client > 0)
    before = proxy.bytes_to_client
    await until(lambda: proxy.bytes_to_client > before + 50)  # several signs of life
    assert (proxy.connections, listener.returns) == (1, 1)


async def test_a_lost_connection_is_made_anew_and_told(listener: Listener, proxy: TcpProxy) -> None:
    listener.listen("a")
    listener.listen("b")
    await until(lambda: listener.returns >= 1)
    before = listener.returns
    proxy.cut()
    await until(lambda: listener.returns > before)
    assert listener.tell("a", b"1") == 1
    assert listener.tell("b", b"2") == 1
    await until(lambda: listener.heard == [b"1", b"2"])


async def test_a_connection_that_is_silently_dead_is_found_out(
    listener: Listener, proxy: TcpProxy
) -> None:
    listener.listen("a")
    await until(lambda: listener.returns == 1)
    proxy.drop()
    await until(lambda: proxy.connections > 1)
    proxy.heal()
    await until(lambda: listener.returns > 1)
    await until(lambda: listener.tell("a", b"1") == 1)
    await until(lambda: b"1" in listener.heard)


async def test_it_waits_for_a_redis_that_is_away_at_the_start(
    listener: Listener, proxy: TcpProxy
) -> None:
    proxy.refuse()
    listener.listen("a")
    await turns(50)
    assert listener.returns == 0
    proxy.heal()
    await until(lambda: listener.returns == 1)
