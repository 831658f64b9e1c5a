"""A service that answers at once, to find what the load tester itself can do.

Run as `python -m load_tester.generator.echo`: prints its URL and ends with its standard input,
so that it never outlives whoever started it. It speaks the wire of a dispatcher (upload, ticket,
result at once) and of a step replica, and reads nothing of the images.
"""

import asyncio
import gc
import sys
from typing import cast

import httptools
import uvloop

_BACKLOG = 4096
_RESULT = b"/result/"
_TICKET = b'{"request_id":"echo-%d","from_cache":false}'
_JOB = (
    b'{"request_id":"%s","filename":null,"status":"completed","queue_time":0.0,'
    b'"processing_time":0.0,"replica_used":null,"from_cache":false,"coalesced":false,'
    b'"result":{"filename":null,"predictions":["echo","other"],"scores":[0.75,0.25]},'
    b'"error":null}'
)
_PROCESSED = b'{"filename":null,"inference_time":0.0,"predictions":["echo"]}'
_HEALTH = b'{"status":"healthy"}'


class EchoService:
    """Gives each upload a ticket of its own; `connect` makes the protocol of a connection."""

    def __init__(self) -> None:
        self._tickets = 0

    def connect(self) -> "EchoConnection":
        """Return the protocol of one new connection."""
        return EchoConnection(self)

    def answer(self, method: bytes, path: bytes) -> tuple[int, bytes]:
        """Return the status and the JSON body for a request."""
        if path.startswith(_RESULT):
            return 200, _JOB % path.removeprefix(_RESULT).partition(b"?")[0]
        path = path.partition(b"?")[0]
        if method == b"POST" and path == b"/predict_async":
            self._tickets += 1
            return 202, _TICKET % self._tickets
        if method == b"POST" and path == b"/process":
            return 200, _PROCESSED
        return (200, _HEALTH) if path == b"/health" else (404, b"{}")


class EchoConnection(asyncio.Protocol):
    """One connection, kept open; requests come one at a time."""

    def __init__(self, service: EchoService) -> None:
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        # uvloop's transports are not derived from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse; what is no HTTP closes the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def on_url(self, url: bytes) -> None:
        """Keep the path of the request; it may come in parts."""
        self._path += url

    def on_message_complete(self) -> None:
        """Answer the request that has just arrived whole."""
        status, body = self._service.answer(self._parser.get_method(), self._path)
        self._path = b""
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d Echo\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body)
            )


async def serve() -> None:
    """Serve on a free port of 127.0.0.1 until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(EchoService().connect, "127.0.0.1", 0, backlog=_BACKLOG)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    # A collection would be taken for the client's own time.
    gc.disable()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
