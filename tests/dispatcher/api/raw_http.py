"""HTTP byte by byte: what no client library would send, and all that comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.dispatcher.images import png

WITHIN_S = 10.0
IMAGE = png(tail=b"pixels")


@dataclass(frozen=True)
class Answer:
    """One answer; status 0 is a connection that ended without any."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem document, which is checked to be one."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = json.loads(self.body)
        assert problem["request_id"]
        assert problem["status"] == self.status
        code: str = problem["code"]
        return code

    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


NOTHING = Answer(0, {}, b"")


@dataclass(frozen=True)
class Wire:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, within_s: float = WITHIN_S, to_head: bool = False) -> Answer:
        """The next answer; ``NOTHING`` when the connection has ended. One to HEAD has no body."""
        async with asyncio.timeout(within_s):
            try:
                return await self._answer(to_head=to_head)
            except (asyncio.IncompleteReadError, ConnectionError):
                return NOTHING

    async def _answer(self, *, to_head: bool) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            name = name.lower()
            assert name not in headers, f"{name} is there twice"
            headers[name] = value
        status = int(status_line.split()[1])
        body = b""
        if status >= 200 and not to_head:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(status, headers, body)

    async def is_closed(self, *, within_s: float = WITHIN_S) -> bool:
        """Whether the server closes the connection without a further byte."""
        try:
            async with asyncio.timeout(within_s):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Wire]:
    """Open a connection until the end of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(port: int, data: bytes) -> Answer:
    """Send bytes over a connection of their own; return the first answer."""
    async with connect(port) as wire:
        wire.send(data)
        return await wire.answer()


def request(
    method: str = "GET", path: str = "/livez", *lines: str, body: bytes | None = None
) -> bytes:
    """A request in HTTP/1.1 with a Host, and with a Content-Length when it has a body."""
    more = [] if body is None else [f"Content-Length: {len(body)}"]
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", *lines, *more]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (body or b"")


def submission(*lines: str, body: bytes = IMAGE, path: str = "/predict_async") -> bytes:
    """An image as a raw body."""
    return request("POST", path, "Content-Type: image/png", *lines, body=body)
