"""Somebody who receives webhooks, on a free port of this machine."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.dispatcher.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


Behaviour = Callable[["Receiver", asyncio.StreamWriter], Awaitable[None]]


def answering(answer: bytes) -> Behaviour:
    """Answer every request with these bytes."""

    async def behave(_: "Receiver", writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return behave


def status(code: int, *headers: str) -> Behaviour:
    """Answer every request with a status and an empty body."""
    lines = [f"HTTP/1.1 {code} So", "Content-Length: 0", *headers, "", ""]
    return answering("\r\n".join(lines).encode())


async def silent(receiver: "Receiver", _: asyncio.StreamWriter) -> None:
    """Never answer."""
    await receiver.closing.wait()


@dataclass
class Receiver:
    """What was received, and how it is answered."""

    behave: Behaviour = field(default_factory=lambda: answering(OK))
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    server_names: list[str | None] = field(default_factory=list)
    """By SNI, of the connections with TLS."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; each brings one request."""
        self.connections += 1
        self.open_connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(Received(head[0], headers, body))
            await self.behave(self, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open_connections -= 1

    def note_server_name(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        """Take note of whom a client of TLS asks for."""
        self.server_names.append(name)


@contextlib.asynccontextmanager
async def receiving(
    behave: Behaviour | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver until the end of the block."""
    receiver = Receiver() if behave is None else Receiver(behave)
    if tls is not None:
        tls.sni_callback = receiver.note_server_name
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.close()
        await server.wait_closed()
        await until(lambda: not receiver.open_connections)
