"""Dispatchers with replicas of their own that share large pictures: real processes and pixels.

The replicas of every dispatcher are two servers in the test: one that makes a large picture of
whatever it is given, so that the test knows who carries a job, and one that passes chunks on to a
real ``sobel``, takes its time, and notes what it was asked for.
"""

import asyncio
import io
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from dispatcher.chunks.redis import RedisChunkNews
from dispatcher.execution.sharing.upkeep import name_of
from dispatcher.pipelines.model import StepKey
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.records import RecordDirectory
from step_app.contract.frames import BATCH_MEDIA_TYPE, decode_reply, encode_batch, encode_reply
from step_app.contract.pictures import RAW_MEDIA_TYPE, Picture, PictureReply
from tests.cluster.crew import Addresses
from tests.dispatcher.scripted_pictures import pictures_reply
from tests.dispatcher.scripted_replica import Request, ScriptedReplica, frame, serve
from tests.durability.dispatcher_process import PROJECT, DispatcherProcess
from tests.ports import free_port
from tests.step_app.replica_process import pipeline, replica_process

PIPELINE = "edges"
STEPS = tuple(f"{PIPELINE}/{number}" for number in (0, 1))
SIDE = 2048
"""Pixels: the picture is larger than those that are not shared."""
CHUNK_S = 0.3
"""How long each chunk takes."""


PHOTO = PROJECT / "images" / "koala.jpg"


@dataclass(frozen=True)
class Asked:
    """A chunk that a replica was asked for."""

    job_id: str
    index: int
    at: float
    """Monotonic."""


@dataclass
class Sharer:
    """One dispatcher and its replicas."""

    process: DispatcherProcess
    real_sobel: str
    """URL of the replica that computes."""
    news: RedisChunkNews
    """What dispatchers tell each other."""
    replicas: set[str] = field(default_factory=set)
    """Names of those that cut."""
    carried: list[str] = field(default_factory=list)
    """Jobs whose first stage went to its replica."""
    asked: list[Asked] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What results call it."""
        return f"{socket.gethostname()}:{self.process.port}"

    async def make_large(self, request: Request) -> web.StreamResponse:
        """Make the large picture of whatever comes."""
        self.carried += [item.id for item in request.items]
        reply = PictureReply([large_picture()], [0.001])
        return frame(request, [pictures_reply(item, reply) for item in request.items])

    async def find_edges(self, request: Request) -> web.StreamResponse:
        """Have a real replica compute it, and take a while."""
        for item in request.items:
            if item.tile is not None:
                job_id = item.id.partition("#")[0]
                self.asked.append(Asked(job_id, item.tile.index, time.monotonic()))
        await asyncio.sleep(CHUNK_S)
        url, body = f"{self.real_sobel}/process_batch", b"".join(encode_batch(request.items))
        headers = {"Content-Type": BATCH_MEDIA_TYPE}
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=io.BytesIO(body), headers=headers) as answer,
        ):
            ids = [item.id for item in request.items]
            reply = decode_reply(await answer.read(), expected_ids=ids)
            # It says how long it took: what takes no time is not shared.
            items = [replace(item, duration_s=CHUNK_S) for item in reply.items]
            body = encode_reply(replace(reply, items=items))
            return web.Response(body=body, content_type=BATCH_MEDIA_TYPE)

    def chunks(self, job_id: str, *, since: float = 0.0) -> list[int]:
        """The chunks of a job that its replica was asked for."""
        return [one.index for one in self.asked if one.job_id == job_id and one.at >= since]

    async def start(self) -> None:
        """Start its process and return once it serves and the others know its replicas."""
        self.process.start()
        await asyncio.to_thread(self.process.wait_ready, pools=STEPS)
        async with asyncio.timeout(30):
            while not self.replicas <= await self.news.replicas(STEPS[1]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def send(self, *, tiles: int) -> str:
        """Have it accept a job, and return its id."""
        overrides = json.dumps({"sobel": {"tiles": tiles}})
        params = {"pipeline": PIPELINE, "params": overrides, "cache": "false"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.process.url}/predict_async",
                params=params,
                data=PHOTO.read_bytes(),
                headers={"Content-Type": "image/jpeg"},
            ) as answer,
        ):
            document = await answer.json()
            assert answer.status == 202, document
            return str(document["request_id"])

    async def result_of(self, job_id: str) -> dict[str, Any]:
        """Return how a job ended, as it tells."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(90):
            while True:
                url = f"{self.process.url}/result/{job_id}"
                async with session.get(url, params={"wait": "5"}) as answer:
                    if answer.status == HTTPStatus.OK:
                        found: dict[str, Any] = await answer.json()
                        return found

    async def picture_of(self, job_id: str) -> bytes:
        """Return the picture that a job has made."""
        url = f"{self.process.url}/result/{job_id}/image"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == HTTPStatus.OK
            return await answer.read()


@asynccontextmanager
async def sharing_dispatchers(
    folder: Path, addresses: Addresses, *, count: int = 2
) -> AsyncIterator[list[Sharer]]:
    """Run dispatchers that accept and work, each with replicas of its own; none is left."""
    async with AsyncExitStack() as stack:
        redis = RedisConnection(addresses.redis_url)
        await redis.start()
        stack.push_async_callback(redis.close)
        config = pipeline({}, step_type="sobel")
        sobel = stack.enter_context(replica_process(folder, PIPELINE_CONFIG=config))
        sharers = []
        for number in range(count):
            data_dir = folder / f"dispatcher-{number}"
            data_dir.mkdir()
            flags = ["--queue", "rabbitmq", "--topology", "files"]
            process = DispatcherProcess(
                data_dir,
                [*flags, "--records-dir", str(data_dir / "records")],
                free_port(),
                environment=addresses.settings(),
            )
            stack.callback(process.end)
            sharer = Sharer(process, sobel.url, RedisChunkNews(redis))
            scripts = (sharer.make_large, sharer.find_edges)
            replicas = [
                await stack.enter_async_context(serve(script, max_batch_size=1))
                for script in scripts
            ]
            sharer.replicas.add(name_of(replicas[1].url))
            _declare(data_dir / "records", replicas)
            sharers.append(sharer)
        await asyncio.to_thread(sobel.wait_until_ready)
        await asyncio.gather(*(sharer.start() for sharer in sharers))
        yield sharers


def _declare(folder: Path, replicas: Sequence[ScriptedReplica]) -> None:
    steps = (
        {"id": 0, "type": "blur", "params": {}, "next_step": 1},
        {"id": 1, "type": "sobel", "params": {}, "next_step": None},
    )
    records = RecordDirectory(folder)
    for number, replica in enumerate(replicas):
        records.write(
            StepRecord(
                key=StepKey(PIPELINE, str(number)),
                type=str(steps[number]["type"]),
                steps=steps,
                endpoints=[replica.url],
                model_revision=replica.revision,
            )
        )


def large_picture() -> Picture:
    """The same picture each time, as it is between two stages."""
    pixels = random.Random(7).randbytes(SIDE * SIDE * 3)
    head = f"P6\n{SIDE} {SIDE}\n255\n".encode()
    return Picture(RAW_MEDIA_TYPE, SIDE, SIDE, head + pixels)
