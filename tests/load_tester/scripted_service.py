"""A real HTTP service that does to each upload what its script says, at a known moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of one upload."""

    submit_status: int = 202
    after_s: float | None = 0.02  # None: it never ends
    result_status: int = 200
    changes: dict[str, Any] = field(default_factory=dict)  # laid over the result body
    raw_result: bytes | None = None
    raw_ticket: bytes | None = None
    cut: bool = False  # the connection is closed instead of an answer


SLOW = Fate(after_s=3.0)
"""So slow that a busy machine is no reason to call a run of seven images or more invalid.

Sends may be late by 5 % of the median end to end, which takes seven images to tell.
"""


@dataclass
class Submission:
    """One upload as it arrived, and when its job ended (both on the monotonic clock)."""

    arrived_s: float
    filename: str | None
    content_type: str
    query: dict[str, str]
    size_bytes: int
    ended_s: float | None = None


class ScriptedService:
    """Answers uploads by the script, which is given each upload's number from 0."""

    def __init__(
        self, script: Callable[[int], Fate] = lambda _: Fate(), *, hold: bool = True
    ) -> None:
        self.submissions: list[Submission] = []
        self.looks = 0
        self.arrivals: asyncio.Queue[int] = asyncio.Queue()
        self.url = ""
        self.running = asyncio.Event()
        self.running.set()
        self._script = script
        self._hold = hold
        self._fates: list[Fate] = []
        self._ended: list[asyncio.Event] = []
        self._timers: list[asyncio.TimerHandle] = []

    def create_app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/health", self._health)
        app.router.add_post("/predict_async", self._submit)
        app.router.add_get("/result/{id}", self._result)
        return app

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def _submit(self, request: web.Request) -> web.Response:
        number = len(self._fates)
        fate = self._script(number)
        self._fates.append(fate)
        self._ended.append(asyncio.Event())
        await self._note(request)
        await self.running.wait()
        if fate.cut:
            assert request.transport is not None
            request.transport.abort()
        if fate.raw_ticket is not None:
            return web.Response(body=fate.raw_ticket, status=fate.submit_status)
        if fate.submit_status not in {200, 202}:
            return web.json_response({"code": "overloaded"}, status=fate.submit_status)
        if fate.after_s is not None:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(fate.after_s, self._end, number))
        return web.json_response(
            {"request_id": f"job-{number}", "from_cache": fate.submit_status == 200},
            status=fate.submit_status,
        )

    async def _note(self, request: web.Request) -> None:
        arrived_s = time.monotonic()
        if request.content_type.startswith("multipart/"):
            form = await request.post()
            image = form["image"]
            assert isinstance(image, web.FileField)
            filename: str | None = image.filename
            body = image.file.read()
        else:
            filename = request.headers.get("X-Filename")
            body = await request.read()
        submission = Submission(
            arrived_s=arrived_s,
            filename=filename,
            content_type=request.content_type,
            query=dict(request.query),
            size_bytes=len(body),
        )
        self.submissions.append(submission)
        self.arrivals.put_nowait(len(self.submissions))

    def _end(self, number: int) -> None:
        self.submissions[number].ended_s = time.monotonic()
        self._ended[number].set()

    async def _result(self, request: web.Request) -> web.Response:
        self.looks += 1
        number = int(request.match_info["id"].removeprefix("job-"))
        fate, ended = self._fates[number], self._ended[number]
        if fate.result_status != 200:
            return web.json_response({"code": "lost"}, status=fate.result_status)
        if self._hold and not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), float(request.query.get("wait", 0)))
        if not ended.is_set():
            return web.json_response({"status": "processing"}, status=202)
        if fate.raw_result is not None:
            return web.Response(body=fate.raw_result)
        return web.json_response(self._body(number, fate))

    def _body(self, number: int, fate: Fate) -> dict[str, Any]:
        body: dict[str, Any] = {
            "request_id": f"job-{number}",
            "filename": self.submissions[number].filename,
            "status": "completed",
            "queue_time": 0.25,
            "processing_time": 0.125,
            "replica_used": "http://127.0.0.1:5000",
            "from_cache": fate.submit_status == 200,
            "coalesced": False,
            "result": {
                "predictions": ["goldfinch", "bulbul"],
                "scores": [0.75, 0.125],
            },
            "error": None,
        }
        return body | fate.changes


@asynccontextmanager
async def serve(
    script: Callable[[int], Fate] = lambda _: Fate(), *, hold: bool = True
) -> AsyncIterator[ScriptedService]:
    """Run a scripted service on a free port of 127.0.0.1; `hold` says whether it honours waits."""
    service = ScriptedService(script, hold=hold)
    runner = web.AppRunner(service.create_app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    service.url = f"http://{host}:{port}"
    try:
        yield service
    finally:
        service.close()
        await runner.cleanup()
