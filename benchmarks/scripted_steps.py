"""Step replicas without a model, in one process: they take a known time, or misbehave as told.

Run as ``python -m benchmarks.scripted_steps --replicas 4 --service-ms 20``: the URLs are printed,
one a line, and it ends with its standard input. Each replica works on one request after the
other, as a real one does, and sleeps instead of computing. ``PUT /behaviour`` with one of
``BEHAVIOURS`` as the body changes what it does from the next request on.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from benchmarks.service import PROJECT
from dispatcher.pipelines.model import StepKey
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.records import RecordDirectory
from step_app.contract.frames import (
    BATCH_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    BatchItem,
    BatchReply,
    ItemReply,
    decode_batch,
    encode_reply,
)

PIPELINE: Final = "scripted"
STEP: Final = f"{PIPELINE}/0"
BEHAVIOURS: Final = ("good", "errors", "hang", "slow", "garbage", "reset")
SLOW_FACTOR: Final = 20
MAX_BATCH_SIZE: Final = 8
POISON: Final = b"poison"
"""An image that ends like this kills the replica that comes to it."""
RESTART_S: Final = 1.0


@dataclass
class ScriptedStep:
    """One replica."""

    service_s: float
    behaviour: str = "good"
    items: int = 0
    """Items that were sent to it."""
    down_until: float = 0.0
    """Monotonic time when it is back, after it died."""
    connections: set[asyncio.BaseTransport] = field(default_factory=set)
    """On which requests have come."""
    at_work: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def readyz(self, _: web.Request) -> web.Response:
        """Say that it is ready, whatever it does to those who believe it."""
        if time.monotonic() < self.down_until:
            return web.Response(status=503)
        return web.json_response({"revision": "r1", "max_batch_size": MAX_BATCH_SIZE})

    async def behave(self, request: web.Request) -> web.Response:
        """Change the behaviour; return how many items were sent so far."""
        self.behaviour = (await request.text()) or self.behaviour
        return web.json_response({"items": self.items})

    async def process_batch(self, request: web.Request) -> web.StreamResponse:
        """Do what it was told to do to requests."""
        items = decode_batch(await request.read())
        self.items += len(items)
        if request.transport is not None:
            self.connections.add(request.transport)
        if time.monotonic() < self.down_until or any(i.image.endswith(POISON) for i in items):
            return self.die()
        match self.behaviour:
            case "errors":
                return web.Response(status=500)
            case "hang":
                await asyncio.Event().wait()
            case "garbage":
                return web.Response(body=b"<html>It works!</html>")
            case "reset" if request.transport is not None:
                request.transport.abort()
                return web.Response()
        factor = SLOW_FACTOR if self.behaviour == "slow" else 1
        async with self.at_work:
            await asyncio.sleep(self.service_s * factor * len(items))
        replies = [_reply(item, self.service_s) for item in items]
        frame = encode_reply(BatchReply(revision="r1", items=replies))
        return web.Response(body=frame, content_type=BATCH_MEDIA_TYPE)

    def die(self) -> web.Response:
        """Break every connection, as a process does that is killed, and be back in a second."""
        self.down_until = max(self.down_until, time.monotonic() + RESTART_S)
        for connection in self.connections:
            if isinstance(connection, asyncio.WriteTransport):
                connection.abort()
        self.connections.clear()
        return web.Response()


def _reply(item: BatchItem, duration_s: float) -> ItemReply:
    body = json.dumps({"predictions": ["koala"]}).encode()
    return ItemReply(item.id, 200, JSON_MEDIA_TYPE, body, duration_s)


def tell(url: str, behaviour: str = "") -> int:
    """Change what one replica does; return how many items it was sent so far."""
    request = urllib.request.Request(f"{url}/behaviour", data=behaviour.encode(), method="PUT")
    with urllib.request.urlopen(request) as answer:
        return int(json.load(answer)["items"])


@contextmanager
def scripted_steps(data_dir: Path, *, replicas: int, service_s: float) -> Iterator[list[str]]:
    """Run replicas and write the record that leads a dispatcher to them; give their URLs."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "benchmarks.scripted_steps",
            "--replicas", str(replicas), "--service-ms", str(service_s * 1000),
        ],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        urls = [process.stdout.readline().strip() for _ in range(replicas)]
        _declare(data_dir, urls)
        yield urls
    finally:
        process.kill()
        process.communicate()


def _declare(data_dir: Path, urls: Sequence[str]) -> None:
    RecordDirectory(data_dir / "topology").write(
        StepRecord(
            key=StepKey(PIPELINE, "0"),
            type="classifier",
            steps=({"id": 0, "type": "classifier", "params": {}, "next_step": None},),
            endpoints=urls,
            model_revision="r1",
        )
    )


async def _serve(replicas: int, service_s: float) -> None:
    for _ in range(replicas):
        step = ScriptedStep(service_s)
        app = web.Application(client_max_size=2**28)
        app.router.add_get("/readyz", step.readyz)
        app.router.add_get("/livez", step.readyz)
        app.router.add_put("/behaviour", step.behave)
        app.router.add_post("/process_batch", step.process_batch)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicas", type=int, required=True)
    parser.add_argument("--service-ms", type=float, required=True)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.replicas, arguments.service_ms / 1000))


if __name__ == "__main__":
    main()
