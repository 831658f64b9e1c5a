import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from dispatcher.api.asgi import Receive, Scope, Send
from dispatcher.api.guards.closing import PoliteServer
from dispatcher.api.guards.connections import connection_class
from dispatcher.api.guards.patience import Limits
from tests.dispatcher.waiting import now_s, until

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"1"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x"})


class Served:
    """A server on a port, and how it is told to end."""

    def __init__(self, server: PoliteServer, listener: socket.socket) -> None:
        self.server = server
        self._listener = listener
        self._address = listener.getsockname()

    def connect(self) -> socket.socket:
        """Connect without giving the server a turn."""
        connection = socket.create_connection(self._address, timeout=10)
        connection.setblocking(False)
        return connection

    async def end(self) -> None:
        await self.server.shutdown([self._listener])


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    config = uvicorn.Config(
        answer,
        lifespan="off",
        http=connection_class(Limits()),
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = PoliteServer(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        await server.startup([listener])
        yield Served(server, listener)


async def ask(connection: socket.socket) -> bytes:
    """Send a request and return all that comes; empty when the connection ended."""
    loop = asyncio.get_running_loop()
    try:
        with connection:
            await loop.sock_sendall(connection, REQUEST)
            heard = b""
            while part := await loop.sock_recv(connection, 4096):
                heard += part
            return heard
    except ConnectionError:
        return b""


async def test_who_is_connected_at_the_end_is_answered_although_nobody_took_the_connection() -> (
    None
):
    async with serving() as served:
        connections = [served.connect() for _ in range(20)]
        ending = asyncio.create_task(served.end())
        answers = await asyncio.gather(*map(ask, connections))
        await ending
    assert all(one.startswith(b"HTTP/1.1 200") for one in answers), answers


@pytest.mark.parametrize("after_s", [0.0, 0.2, 1.2])
async def test_who_has_connected_has_a_moment_to_send_its_request(after_s: float) -> None:
    async with serving() as served:
        connection = served.connect()
        await until(lambda: served.server.server_state.connections)
        ending = asyncio.create_task(served.end())
        await asyncio.sleep(1.0 + after_s)  # those who are kept alive are waited for as long
        heard = await ask(connection)
        await ending
    assert heard.startswith(b"HTTP/1.1 200")


async def test_nobody_is_let_in_behind_the_last() -> None:
    async with serving() as served:
        await served.end()
        with pytest.raises(ConnectionRefusedError):
            served.connect()


async def test_who_stays_silent_is_cut_off_within_seconds() -> None:
    async with serving() as served:
        with served.connect() as silent:
            began = now_s()
            await served.end()
            assert now_s() - began < 5
            assert await asyncio.get_running_loop().sock_recv(silent, 1) == b""


async def test_the_end_waits_for_nobody_when_nobody_is_there() -> None:
    async with serving() as served:
        began = now_s()
        await served.end()
        assert now_s() - began < 1
