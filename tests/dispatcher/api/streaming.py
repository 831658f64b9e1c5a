"""A client of event streams, without a socket in between."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.api.asgi import TENANT_KEY
from dispatcher.app import create_app
from dispatcher.wiring import Services

Message = MutableMapping[str, Any]


@dataclass(frozen=True)
class SeenEvent:
    """One event as a client reads it."""

    number: int
    name: str
    data: dict[str, Any]


@dataclass
class Stream:
    """What came of one request so far."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    text: str = ""
    is_complete: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client leaves."""
    may_take: asyncio.Event = field(default_factory=asyncio.Event)
    """Unset while the client reads nothing."""

    async def send(self, message: Message) -> None:
        """Take what the application sends."""
        await self.may_take.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.text += message.get("body", b"").decode()
            self.is_complete = not message.get("more_body", False)
        self.news.set()

    async def receive(self) -> Message:
        """Be an empty body at first, then a client that stays until it leaves."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    def blocks(self) -> list[str]:
        """Return what was sent, cut at the empty lines."""
        return [block for block in self.text.split("\n\n") if block]

    def events(self) -> list[SeenEvent]:
        """Return all events that have come."""
        found = []
        for block in self.blocks():
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":")
            if "data" in fields:
                event = SeenEvent(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                found.append(event)
        return found

    async def until_events(self, count: int) -> list[SeenEvent]:
        """Wait for so many events."""
        async with asyncio.timeout(10):
            while len(self.events()) < count:
                self.news.clear()
                await self.news.wait()
        return self.events()


@contextlib.asynccontextmanager
async def following(
    services: Services,
    job_id: str,
    *,
    last_event_id: str | None = None,
    method: str = "GET",
    query: bytes = b"",
    tenant: str = "",
) -> AsyncIterator[tuple[Stream, "asyncio.Task[None]"]]:
    """Follow a job until the end of the block."""
    stream = Stream()
    stream.may_take.set()
    headers = [(b"host", b"testserver")]
    if last_event_id is not None:
        headers.append((b"last-event-id", last_event_id.encode()))
    path = f"/result/{job_id}/events"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 1234),
        "server": ("testserver", 80),
        TENANT_KEY: tenant,
    }
    serving = asyncio.create_task(create_app(services)(scope, stream.receive, stream.send))
    try:
        yield stream, serving
    finally:
        stream.gone.set()
        stream.may_take.set()
        async with asyncio.timeout(10):
            await asyncio.gather(serving, return_exceptions=True)
