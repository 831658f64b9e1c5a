"""A service that converts to grayscale in no time and tells times that follow a known law."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

SERIAL = 0.2
ONE_THREAD_S = 0.1
REST_S = 0.05


def kernel_s(threads: int, *, passes: int = 1) -> float:
    """Amdahl's law with a serial fraction of a fifth."""
    return passes * ONE_THREAD_S * (SERIAL + (1 - SERIAL) / threads)


@dataclass
class GrayscaleService:
    """Answers `POST /process` and `POST /predict_async`; remembers what it was asked."""

    status: int = 202
    from_cache: bool = False
    never_from: int | None = None  # from this job on none ends
    queue_size: list[int] = field(default_factory=list)  # told once each, then nothing waits
    ready_status: int = 200
    picture: bytes | None = None
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    fields: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    looks_at_status: int = 0
    keys: set[str | None] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    awaited: int = 1  # as many jobs set `arrived`
    closes_after: int | None = None  # with this job the port closes
    site: web.TCPSite | None = None

    def create_app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/health", self._health)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._status)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/process", self._process)
        app.router.add_post("/predict_async", self._predict)
        app.router.add_get("/result/{id}", self._result)
        app.router.add_get("/result/{id}/image", self._image)
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.json_response({}, status=self.ready_status)

    async def _status(self, request: web.Request) -> web.Response:
        self.looks_at_status += 1
        self.keys.add(request.headers.get("Authorization"))
        return web.json_response({"queue_size": self.queue_size.pop(0) if self.queue_size else 0})

    async def _metrics(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers.get("Authorization"))
        done = len(self.asked)
        return web.Response(
            text="# TYPE dispatcher_queue_wait_seconds summary\n"
            f"dispatcher_queue_wait_seconds_count {done}\n"
            f"dispatcher_queue_wait_seconds_sum {0.25 * done}\n"
        )

    async def _process(self, request: web.Request) -> web.Response:
        fields: dict[str, str] = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.filename is None:
                fields[str(part.name)] = await part.text()
            else:
                fields[str(part.name)] = part.filename
                self.bodies.append(bytes(await part.read()))
        self.fields.append(fields)
        ((_, params),) = json.loads(fields["actions"])["operations"]
        ticket = self._accept(params)
        return web.json_response({"batch_id": "b", "requests": [ticket]}, status=self.status)

    async def _predict(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.queries.append(dict(request.query))
        params = json.loads(request.query.get("params", "{}"))
        return web.json_response(self._accept(params.get("grayscale", {})), status=self.status)

    def _accept(self, params: dict[str, Any]) -> dict[str, str]:
        self.asked.append(params)
        if len(self.asked) >= self.awaited:
            self.arrived.set()
        return {"request_id": f"job-{len(self.asked) - 1}"}

    async def _close_in_time(self, number: int) -> None:
        if number == self.closes_after and self.site is not None:
            await self.site.stop()

    async def _result(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"].removeprefix("job-"))
        if self.never_from is not None and number >= self.never_from:
            await asyncio.sleep(60)
        await self._close_in_time(number)
        return web.json_response(
            {
                "request_id": f"job-{number}",
                "status": "completed",
                "queue_time": 0.25,
                "processing_time": 0.5,
                "from_cache": self.from_cache,
                "result": {"width": 4, "height": 3, "url": "/x", **self._timings(number)},
            }
        )

    async def _image(self, _: web.Request) -> web.Response:
        if self.picture is None:
            raise web.HTTPNotFound
        return web.Response(body=self.picture, content_type="image/png")

    def _timings(self, number: int) -> dict[str, Any]:
        params = self.asked[number]
        threads = params.get("threads", 1)
        time_s = kernel_s(threads, passes=params.get("passes", 1))
        told = {"threads": threads, "kernel_s": time_s, "total_s": time_s + REST_S}
        return {"timings": [told]}


@asynccontextmanager
async def serve_grayscale(**changes: Any) -> AsyncIterator[GrayscaleService]:
    """Run the service on a free port of 127.0.0.1."""
    service = GrayscaleService(**changes)
    runner = web.AppRunner(service.create_app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    service.site = web.TCPSite(runner, "127.0.0.1", 0)
    await service.site.start()
    host, port = runner.addresses[0][:2]
    service.url = f"http://{host}:{port}"
    try:
        yield service
    finally:
        await runner.cleanup()
