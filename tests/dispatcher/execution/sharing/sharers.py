"""Dispatchers in one process that share chunks on one board, each with replicas of its own."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp.web import StreamResponse

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.chunks.base import ChunkBoard, ChunkOutcome, ChunkRequest
from dispatcher.chunks.memory import MemoryChunkNews, MemoryChunkOffers, MemoryChunkShelf
from dispatcher.execution.attempts import Attempts
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.execution.sharing.assembly import ChunkSharing, build_sharing
from dispatcher.execution.sharing.policy import SharingPolicy
from dispatcher.jobs import Job
from dispatcher.pipelines.model import Pipeline, work_of
from dispatcher.pools.client import ReplicaClient
from step_app.contract.frames import BatchItem, ItemReply
from step_app.contract.pictures import PictureReply, encode_pictures
from step_app.contract.tiles import Tile
from step_app.encoding import encode_picture
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.execution.chains import dedicated
from tests.dispatcher.execution.chunks import chunk_of, noise
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_pictures import STEP_S, pictures_reply
from tests.dispatcher.scripted_replica import Request, Script, frame, problem_reply, reply_with

JPEG = "image/jpeg"
TILES = 8
PIXELS = noise(128, 128)
"""What the stage makes of every picture."""
WHOLE = encode_picture(PIXELS, JPEG).body
IMAGE = b"koala"
TILED = make_pipeline(dedicated("t", "sobel", {"tiles": TILES}))
STEP = "default/t"
QUICK = SharingPolicy(
    min_weight_bytes=1,
    unknown_weight_bytes=1,
    fixed_cost_s=0.0,
    cost_s_per_byte=0.0,
    look_every_s=0.05,
    patience_s=0.3,
    blind_patience_s=0.3,
    starved_patience_s=0.5,
    beat_every_s=0.02,
    believed_for_s=0.5,
    hesitation_s=0.001,
    keeping_pauses_s=(0.01,),
    removed_after_s=0.0,
)


def cut(item: BatchItem) -> PictureReply:
    """The chunk that an item asks for, or what was joined encoded."""
    if item.as_is:
        return PictureReply([encode_picture(PIXELS, item.output)], [])
    return PictureReply([chunk_of(PIXELS, item.tile or Tile(0, 1), item.output)], [STEP_S])


async def cut_all(request: Request) -> StreamResponse:
    return frame(request, [pictures_reply(item, cut(item)) for item in request.items])


async def hold_and_cut(request: Request) -> StreamResponse:
    """Answer once ``released`` is set."""
    await request.replica.released.wait()
    return await cut_all(request)


def refuse(index: int) -> Script:
    """Judge one chunk, and answer the others."""

    def reply(item: BatchItem) -> ItemReply:
        if item.tile is not None and item.tile.index == index:
            return problem_reply(item, 422, "image_corrupt")
        return pictures_reply(item, cut(item))

    return reply_with(reply)


def wants(index: int = 0, **changes: Any) -> ChunkRequest:
    """A chunk of the picture that everybody is sent."""
    known: dict[str, Any] = {
        "job_id": "job-1",
        "filename": "koala.png",
        "pipeline_id": "default",
        "step_id": "t",
        "params": {},
        "work": work_of(TILED.stages[0], {}),
        "output": JPEG,
        "index": index,
        "count": TILES,
        "digest": hashlib.sha256(IMAGE).hexdigest(),
        "is_sent": True,
        "weight_bytes": 0,
    }
    return ChunkRequest(**(known | changes))


def made(index: int = 0, *, dispatcher: str = "gone") -> ChunkOutcome:
    """What a dispatcher has had computed of that chunk, and kept."""
    reply = PictureReply([chunk_of(PIXELS, Tile(index, TILES), JPEG)], [STEP_S])
    return ChunkOutcome(
        dispatcher=dispatcher,
        replica="http://10.0.0.9:5000",
        attempts=1,
        duration_s=STEP_S,
        revision="r1",
        reply=b"".join(encode_pictures(reply)),
    )


@dataclass
class Board:
    """A board in memory whose parts can be looked at."""

    offers: MemoryChunkOffers = field(default_factory=MemoryChunkOffers)
    shelf: MemoryChunkShelf = field(default_factory=MemoryChunkShelf)
    news: MemoryChunkNews = field(default_factory=MemoryChunkNews)
    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    over: set[str] = field(default_factory=set)
    """Jobs that have ended."""

    async def is_over(self, job_id: str) -> bool:
        return job_id in self.over


@dataclass
class Sharer:
    """One dispatcher: its replicas, and its part in sharing chunks."""

    name: str
    line: Belt
    sharing: ChunkSharing
    executor: Executor
    running: "asyncio.Task[None] | None" = None

    async def carry(self, **changes: Any) -> Job:
        """Carry a job to its end."""
        known: dict[str, Any] = {"width": 128, "height": 128, "media_type": JPEG}
        return await self.line.run_by(self.executor, image=IMAGE, **(known | changes))

    async def picture_of(self, job: Job) -> bytes:
        (output,) = job.outputs
        return await self.line.blobs.get(output.digest)

    def items(self) -> list[BatchItem]:
        """What its replicas were asked for of the stage that is cut."""
        return [
            item
            for replica in self.line.replicas[STEP]
            for request in replica.requests
            for item in request.items
        ]

    def chunks(self) -> list[int]:
        """The chunks that its replicas were asked for."""
        return [item.tile.index for item in self.items() if item.tile is not None]

    def release(self) -> None:
        """Let replicas that hold their answers back give them."""
        for replicas in self.line.replicas.values():
            for replica in replicas:
                replica.released.set()

    def start(self) -> None:
        self.running = asyncio.create_task(self.sharing.run())

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)


@asynccontextmanager
async def sharers(
    client: ReplicaClient,
    board: Board | ChunkBoard,
    *scripts: tuple[Script, ...],
    pipeline: Pipeline = TILED,
    policy: SharingPolicy = QUICK,
    blobs: MemoryBlobStore | None = None,
) -> AsyncIterator[list[Sharer]]:
    """Run a dispatcher for each group of scripts, with a replica of each script.

    Yields once each knows of the others' replicas.
    """
    kept = board.blobs if isinstance(board, Board) else blobs or MemoryBlobStore()
    async with AsyncExitStack() as stack:
        found = []
        for number, group in enumerate(scripts):
            line = await stack.enter_async_context(
                belt(client, *group, pipeline=pipeline, blobs=kept)
            )
            found.append(_sharer(f"dispatcher-{number}", line, board, policy))
        for sharer in found:
            sharer.start()
            stack.push_async_callback(sharer.stop)
        await _until_known(board, found)
        yield found


def _sharer(name: str, line: Belt, board: Board | ChunkBoard, policy: SharingPolicy) -> Sharer:
    attempts = Attempts(
        pools=line.pools, policy=RetryPolicy(base_delay_s=0.001), jitter=random.Random(1)
    )
    sharing = build_sharing(
        ChunkBoard(board.offers, board.shelf, board.news),
        attempts=attempts,
        pools=line.pools,
        blobs=line.blobs,
        is_over=board.is_over if isinstance(board, Board) else _never,
        name=name,
        policy=policy,
    )
    executor = Executor(
        pipelines=line.pipelines,
        blobs=line.blobs,
        attempts=attempts,
        cache=line.cache,
        chunks=sharing.chunks,
    )
    return Sharer(name, line, sharing, executor)


async def _never(_: str) -> bool:
    return False


async def _until_known(board: Board | ChunkBoard, sharers: list[Sharer]) -> None:
    """Return once the replicas of all dispatchers are known to the board."""
    count = sum(len(sharer.line.replicas[STEP]) for sharer in sharers)
    known: set[str] = set()
    async with asyncio.timeout(10):
        while len(known) < count:
            known = await board.news.replicas(STEP)
            await asyncio.sleep(0.002)
