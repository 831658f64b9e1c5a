"""HTTP/1.1 on one connection: just enough, and fast."""

import asyncio
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

_BUFFER_BYTES = 256 * 1024
_REASONS = {200: b"OK", 202: b"Accepted", 404: b"Not Found", 500: b"Internal Server Error"}


@dataclass(slots=True)
class Request:
    """One request, read whole; bodies are counted, not kept."""

    method: str = ""
    url: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    """By name in small letters."""
    size_bytes: int = 0
    began_s: float = 0.0
    crc32: int | None = None


Handler = Callable[["Connection", Request], None]


class Connection(asyncio.BufferedProtocol):
    """Reads one request after the other and hands each to the handler, which answers it later.

    A client that sends its next request before it has its answer is not served right.
    """

    # All connections are read on one thread, and what was read is used up at once.
    _buffer = memoryview(bytearray(_BUFFER_BYTES))

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def answer(self, status: int, body: bytes, *, headers: bytes = b"") -> None:
        """Answer the request at hand with JSON; headers are whole lines."""
        if self._transport is None:
            return
        self._transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
            % (status, _REASONS.get(status, b"Unknown"), len(body), headers, body)
        )

    def on_message_begin(self) -> None:
        self._request = Request(began_s=time.monotonic())

    def on_url(self, url: bytes) -> None:
        self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.lower()] = value

    def on_message_complete(self) -> None:
        request = self._request
        request.method = self._parser.get_method().decode()
        request.size_bytes = int(request.headers.get(b"content-length", 0))
        self._handler(self, request)


class CheckingConnection(Connection):
    """A connection that also computes a checksum of each body and counts its bytes itself."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler)
        self._counted_bytes = 0

    def on_body(self, piece: bytes) -> None:
        self._request.crc32 = zlib.crc32(piece, self._request.crc32 or 0)
        self._counted_bytes += len(piece)

    def on_message_complete(self) -> None:
        request = self._request
        request.headers[b"content-length"] = b"%d" % self._counted_bytes
        self._counted_bytes = 0
        super().on_message_complete()
