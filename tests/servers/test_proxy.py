import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.dispatcher.waiting import until
from tests.ports import free_port
from tests.servers.processes import is_listening
from tests.servers.proxy import TcpProxy


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    """A server that sends back what it gets."""

    answering: set[asyncio.Task[None]] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except ConnectionResetError:
            pass
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(echo(reader, writer))
        answering.add(task)
        task.add_done_callback(answering.discard)

    port = free_port()
    server = await asyncio.start_server(begin, "127.0.0.1", port)
    yield port
    server.close()
    await server.wait_closed()
    # The other ends are closed by now, and what they have sent before may still be on its way.
    await until(lambda: not answering)


@pytest.fixture
def proxy(echo_port: int) -> Iterator[TcpProxy]:
    with TcpProxy(echo_port) as proxy:
        yield proxy


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes, *, within_s: float = 10.0) -> bytes:
        self.writer.write(data)
        async with asyncio.timeout(within_s):
            return await self.reader.readexactly(len(data))


@pytest.fixture
async def client(proxy: TcpProxy) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    yield client
    client.writer.close()


async def test_everything_passes_and_is_counted(proxy: TcpProxy, client: Client) -> None:
    assert await client.ask(b"there and back") == b"there and back"
    assert (proxy.connections, proxy.open_connections) == (1, 1)
    assert (proxy.bytes_to_server, proxy.bytes_to_client) == (14, 14)


async def test_a_delay_holds_both_directions(proxy: TcpProxy, client: Client) -> None:
    proxy.delay(0.1)
    asked = time.monotonic()
    await client.ask(b"slow")
    assert time.monotonic() - asked >= 0.2


async def test_a_black_hole_says_nothing_and_delivers_late(proxy: TcpProxy, client: Client) -> None:
    proxy.drop()
    with pytest.raises(TimeoutError):
        await client.ask(b"lost?", within_s=0.2)
    assert proxy.bytes_to_server == 0
    another = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    with pytest.raises(TimeoutError):
        await another.ask(b"new", within_s=0.2)
    proxy.heal()
    assert await client.reader.readexactly(5) == b"lost?"
    assert await another.reader.readexactly(3) == b"new"
    another.writer.close()


async def test_answers_alone_can_be_lost(proxy: TcpProxy, client: Client) -> None:
    proxy.drop(answers_only=True)
    with pytest.raises(TimeoutError):
        await client.ask(b"executed", within_s=0.2)
    await until(lambda: proxy.bytes_to_server == 8)
    assert proxy.bytes_to_client == 0


async def test_a_cut_resets_what_is_open_and_takes_new_connections(
    proxy: TcpProxy, client: Client
) -> None:
    await client.ask(b"fine")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await client.reader.readexactly(1)
    another = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    assert await another.ask(b"fine again") == b"fine again"
    another.writer.close()


async def test_a_half_closed_connection_still_takes_what_is_sent(
    proxy: TcpProxy, client: Client
) -> None:
    await client.ask(b"fine")
    proxy.half_close()
    assert await client.reader.read() == b""
    client.writer.write(b"still there")
    await until(lambda: proxy.bytes_to_server == 15)


async def test_who_refuses_is_not_there_until_it_is_healed(proxy: TcpProxy, client: Client) -> None:
    proxy.refuse()
    assert not is_listening(proxy.port)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await client.reader.readexactly(1)
    proxy.heal()
    assert is_listening(proxy.port)


async def test_a_server_that_is_away_ends_the_connection() -> None:
    with TcpProxy(free_port()) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""
        writer.close()
        await until(lambda: proxy.open_connections == 0)


async def test_a_proxy_can_end_in_the_middle_of_a_fault(echo_port: int) -> None:
    with TcpProxy(echo_port) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"never answered")
        proxy.drop()
        await until(lambda: proxy.open_connections == 1)
    assert not is_listening(proxy.port)
    writer.close()
