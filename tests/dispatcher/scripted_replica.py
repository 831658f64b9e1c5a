"""A real replica server on 127.0.0.1 that does to each request what its script says."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from dispatcher.pools.parcel import Answer
from step_app.contract.frames import (
    BATCH_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    BatchItem,
    BatchReply,
    ItemReply,
    decode_batch,
    encode_reply,
)
from step_app.contract.pictures import PictureReply
from tests.ports import free_port

Script = Callable[["Request"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Request:
    """One batch as it arrived, and its number from 0."""

    number: int
    items: Sequence[BatchItem]
    http: web.Request
    replica: "ScriptedReplica"


@dataclass
class ScriptedReplica:
    """What it says of itself, what it was asked, and what it does next."""

    script: Script
    revision: str = "r1"
    max_batch_size: int = 4
    ready_document: bytes | None = None
    is_ready: bool = True
    is_alive: bool = True
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """What ``hold`` waits for."""
    kept: set[str] = field(default_factory=set)
    """Names of the pictures of earlier chains that it still has."""
    computed: list[list[str]] = field(default_factory=list)
    """The operations that it has run, chain by chain."""

    cancellations: list[bytes] = field(default_factory=list)
    """What it was told of items that nobody waits for."""
    knows_cancelling: bool = True

    def ids(self) -> list[list[str]]:
        """The ids of the items, request by request."""
        return [[item.id for item in request.items] for request in self.requests]

    async def readyz(self, _: web.Request) -> web.Response:
        document = {
            "revision": self.revision,
            "max_batch_size": self.max_batch_size,
            "model": "tiny",
            "runtime": "torch",
            "precision": None,
        }
        body = self.ready_document or json.dumps(document).encode()
        status = 200 if self.is_ready else 503
        return web.Response(body=body, status=status, content_type=JSON_MEDIA_TYPE)

    async def livez(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self.is_alive else 503)

    async def cancel(self, http: web.Request) -> web.Response:
        if not self.knows_cancelling:
            raise web.HTTPNotFound
        self.cancellations.append(await http.read())
        return web.json_response({})

    async def process_batch(self, http: web.Request) -> web.StreamResponse:
        assert http.content_type == BATCH_MEDIA_TYPE
        items = decode_batch(await http.read())
        request = Request(len(self.requests), items, http, self)
        self.requests.append(request)
        return await self.script(request)


def item_reply(item: BatchItem, **changes: Any) -> ItemReply:
    """The usual answer for one item: it tells the item's id and what its image holds."""
    result = {"predictions": [item.id], "echo": item.image.decode("latin-1")}
    known = ItemReply(
        id=item.id,
        status=200,
        content_type=JSON_MEDIA_TYPE,
        body=json.dumps(result).encode(),
        duration_s=0.001,
    )
    return replace(known, **changes)


def echo_of(answer: Answer) -> str:
    """What the image held that a replica answered as usual."""
    assert not isinstance(answer.result, PictureReply)
    return str(answer.result["echo"])


def problem_reply(item: BatchItem, status: int, code: str) -> ItemReply:
    body = json.dumps({"code": code, "detail": "It is so."}).encode()
    return item_reply(item, status=status, body=body, content_type="application/problem+json")


def frame(request: Request, replies: Sequence[ItemReply]) -> web.Response:
    reply = BatchReply(revision=request.replica.revision, items=replies)
    return web.Response(body=encode_reply(reply), content_type=BATCH_MEDIA_TYPE)


async def answer(request: Request) -> web.StreamResponse:
    """Answer every item."""
    return frame(request, [item_reply(item) for item in request.items])


async def hold(request: Request) -> web.StreamResponse:
    """Answer once ``released`` is set."""
    await request.replica.released.wait()
    return await answer(request)


async def hang(_: Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def break_down(_: Request) -> web.StreamResponse:
    """Answer 500."""
    return web.json_response({"code": "step_failed", "detail": "no"}, status=500)


async def reset(request: Request) -> web.StreamResponse:
    """Reset the connection instead of an answer."""
    _reset(request.http)
    return web.Response()


async def vanish(request: Request) -> web.StreamResponse:
    """Close the connection instead of an answer, as a killed process does."""
    assert request.http.transport is not None
    request.http.transport.close()
    return web.Response()


async def break_off(request: Request) -> web.StreamResponse:
    """Announce an answer and reset the connection in the middle of it."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request.http)
    await response.write(b"CVB1")
    _reset(request.http)
    return response


async def drip(request: Request) -> web.StreamResponse:
    """Send a byte now and then: never silent for long, never done."""
    response = web.StreamResponse()
    await response.prepare(request.http)
    while request.http.transport is not None:
        await response.write(b"C")
        await asyncio.sleep(0.01)
    return response


async def swap_ids(request: Request) -> web.StreamResponse:
    """Answer other items than were asked."""
    return frame(request, [item_reply(i, id=f"not-{i.id}") for i in request.items])


async def speak_no_http(request: Request) -> web.StreamResponse:
    """Send bytes that are no HTTP."""
    assert request.http.transport is not None
    request.http.transport.write(b"\x00\x01 good day\r\n\r\n")
    request.http.transport.close()
    return web.Response()


def say(body: bytes) -> Script:
    """Answer 200 with these bytes, whatever they are."""

    async def script(_: Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=BATCH_MEDIA_TYPE)

    return script


def reply_with(make: Callable[[BatchItem], ItemReply]) -> Script:
    """Answer every item with a reply of this making."""

    async def script(request: Request) -> web.StreamResponse:
        return frame(request, [make(item) for item in request.items])

    return script


def in_turn(*scripts: Script) -> Script:
    """Follow another script for each request; the last one for all that come after."""

    async def script(request: Request) -> web.StreamResponse:
        return await scripts[min(request.number, len(scripts) - 1)](request)

    return script


def raw_frame(header: bytes, payload: bytes = b"") -> bytes:
    """A frame around a header that no encoder would write."""
    return struct.pack(">4sI", b"CVB1", len(header)) + header + payload


def _reset(http: web.Request) -> None:
    transport = http.transport
    assert transport is not None
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@asynccontextmanager
async def serve(script: Script = answer, **says: Any) -> AsyncIterator[ScriptedReplica]:
    """Run a scripted replica on a free port."""
    replica = ScriptedReplica(script, **says)
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/readyz", replica.readyz)
    app.router.add_get("/livez", replica.livez)
    app.router.add_post("/process_batch", replica.process_batch)
    app.router.add_post("/cancel", replica.cancel)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    replica.url = f"http://{host}:{port}"
    try:
        yield replica
    finally:
        await runner.cleanup()


@contextmanager
def silence() -> Iterator[str]:
    """The address of a port that takes every connection and never reads from one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_url() -> str:
    """The address of a port where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
