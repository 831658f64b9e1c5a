"""A stage that is cut into chunks of rows: real pixels, cut by replicas and joined again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from aiohttp.web import StreamResponse

from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from step_app.contract.frames import BatchItem, ItemReply
from step_app.contract.pictures import RAW_MEDIA_TYPE, Picture, PictureReply
from step_app.contract.tiles import Tile
from step_app.encoding import encode_picture
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.execution.chains import dedicated
from tests.dispatcher.execution.chunks import Pixels, chunk_of, noise
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_pictures import STEP_S, pictures_reply
from tests.dispatcher.scripted_replica import Request, Script, frame, in_turn, problem_reply
from tests.dispatcher.waiting import until

JPEG, PNG = "image/jpeg", "image/png"
PIXELS = noise(100, 80)
"""What the stage makes of every picture."""
TILES = 4
TILED = make_pipeline(dedicated("t", "sobel", {"tiles": TILES}))
STEP = "default/t"


def decode_raw(body: bytes) -> Pixels:
    """Read a raw picture."""
    magic, size, _, pixels = body.split(b"\n", 3)
    width, height = map(int, size.split())
    shape = (height, width, 3) if magic == b"P6" else (height, width)
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def cut(item: BatchItem) -> PictureReply:
    """The chunk that an item asks for, or its picture encoded as it is."""
    if item.as_is:
        return PictureReply([encode_picture(decode_raw(item.image), item.output)], [])
    tile = item.tile or Tile(0, 1)
    return PictureReply([chunk_of(PIXELS, tile, item.output)], [STEP_S])


def cut_with(make: Callable[[BatchItem], ItemReply]) -> Script:
    """Answer chunks by this making, and everything else as usual."""

    async def script(request: Request) -> StreamResponse:
        replies = [
            make(item) if item.tile is not None else pictures_reply(item, cut(item))
            for item in request.items
        ]
        return frame(request, replies)

    return script


cut_all = cut_with(lambda item: pictures_reply(item, cut(item)))


async def run_tiled(line: Belt, *, media_type: str = JPEG, **changes: Any) -> Job:
    known: dict[str, Any] = {"width": 80, "height": 100, "media_type": media_type}
    return await line.run(**(known | changes))


async def picture_of(line: Belt, job: Job) -> bytes:
    (output,) = job.outputs
    return await line.blobs.get(output.digest)


def items_of(line: Belt, step: str = STEP) -> list[BatchItem]:
    return [i for replica in line.replicas[step] for r in replica.requests for i in r.items]


def code_of(job: Job) -> str:
    assert job.state is JobState.FAILED
    assert job.error is not None
    return job.error.code


# Cutting and joining


async def test_the_chunks_of_a_picture_are_computed_at_once_by_all_replicas(
    client: ReplicaClient,
) -> None:
    async with belt(client, cut_all, cut_all, pipeline=TILED) as line:
        job = await run_tiled(line)
        items = items_of(line)
        assert sorted(item.id for item in items) == [f"job-1#{n}" for n in range(TILES)]
        assert {item.tile for item in items} == {Tile(n, TILES) for n in range(TILES)}
        assert [len(replica.ids()[0]) for replica in line.replicas[STEP]] == [2, 2]
        assert {(item.output, item.as_is) for item in items} == {(JPEG, False)}
        assert await picture_of(line, job) == encode_picture(PIXELS, JPEG).body
        (output,) = job.outputs
        assert (output.width, output.height, output.piece) == (80, 100, None)


async def test_no_chunk_waits_for_another(client: ReplicaClient) -> None:
    async def wait_for_all(request: Request) -> StreamResponse:
        await until(lambda: len(line.received()) == TILES)
        return await cut_all(request)

    async with belt(client, *[wait_for_all] * TILES, pipeline=TILED) as line:
        assert (await run_tiled(line)).state is JobState.COMPLETED
        assert [len(replica.requests) for replica in line.replicas[STEP]] == [1] * TILES


async def test_a_tiled_stage_tells_where_each_chunk_was_computed(client: ReplicaClient) -> None:
    async with belt(client, cut_all, cut_all, pipeline=TILED) as line:
        job = await run_tiled(line)
        (run,) = job.stages
        assert [chunk.index for chunk in run.chunks] == list(range(TILES))
        assert [chunk.rows for chunk in run.chunks] == [16, 32, 16, 36]
        asked = {
            item.id: replica.url
            for replica in line.replicas[STEP]
            for request in replica.requests
            for item in request.items
        }
        for chunk in run.chunks:
            assert chunk.replica == asked[f"job-1#{chunk.index}"]
            assert (chunk.attempts, chunk.duration_s) == (1, 0.001)
        assert (run.step_id, run.type, run.attempts) == ("t", "sobel", 1)
        assert run.replica in asked.values()


async def test_a_picture_that_is_no_jpeg_is_joined_raw_and_encoded_then(
    client: ReplicaClient,
) -> None:
    async with belt(client, cut_all, cut_all, pipeline=TILED) as line:
        job = await run_tiled(line, media_type=PNG)
        chunks = [item for item in items_of(line) if item.tile is not None]
        (encoded,) = [item for item in items_of(line) if item.tile is None]
        assert {item.output for item in chunks} == {RAW_MEDIA_TYPE}
        assert len(chunks) == TILES
        assert (encoded.as_is, encoded.output) == (True, PNG)
        assert encoded.image == encode_picture(PIXELS, RAW_MEDIA_TYPE).body
        assert await picture_of(line, job) == encode_picture(PIXELS, PNG).body
        assert job.outputs[0].media_type == PNG
        assert len(job.stages) == 1


async def test_a_jpeg_of_too_few_rows_is_joined_raw_too(client: ReplicaClient) -> None:
    async with belt(client, cut_all, pipeline=TILED) as line:
        job = await run_tiled(line, overrides={"t": {"tiles": 7}})
        assert {item.output for item in items_of(line) if item.tile} == {RAW_MEDIA_TYPE}
        assert await picture_of(line, job) == encode_picture(PIXELS, JPEG).body


async def test_between_two_stages_chunks_are_joined_raw_and_handed_on(
    client: ReplicaClient,
) -> None:
    pipeline = make_pipeline(dedicated("t", "sobel", {"tiles": TILES}), dedicated("b", "blur"))
    async with belt(client, cut_all, pipeline=pipeline) as line:
        line.replicas["default/b"][0].script = pictures.paint
        job = await run_tiled(line)
        (handed_on,) = items_of(line, "default/b")
        raw = encode_picture(PIXELS, RAW_MEDIA_TYPE).body
        assert handed_on.image == raw
        assert all(item.tile is not None for item in items_of(line)), "and nothing is encoded"
        assert await picture_of(line, job) == raw + b"|own"


async def test_what_the_chunks_have_to_say_is_said_of_the_picture(client: ReplicaClient) -> None:
    def tell(item: BatchItem) -> ItemReply:
        reply = cut(item)
        return pictures_reply(
            item, replace(reply, pictures=[replace(reply.pictures[0], data={"note": 1})])
        )

    for media_type in (JPEG, PNG):
        async with belt(client, cut_with(tell), pipeline=TILED) as line:
            job = await run_tiled(line, media_type=media_type)
            assert job.outputs[0].data == {"note": 1}


async def test_how_a_picture_was_cut_makes_no_difference_to_who_shares_it(
    client: ReplicaClient,
) -> None:
    pipeline = make_pipeline(dedicated("t", "sobel", {"tiles": TILES}), dedicated("b", "blur"))
    async with belt(client, cut_all, pipeline=pipeline) as line:
        line.replicas["default/b"][0].script = pictures.paint
        await run_tiled(line, result_key="k" * 64)
        job = await run_tiled(line, result_key="k" * 64, overrides={"t": {"tiles": 1}})
        assert len(items_of(line)) == TILES
        assert [run.from_cache for run in job.stages] == [True, False]


# Failing


def fails_once(number: int) -> Script:
    """Answer 500 for one chunk, the first time that it comes to any of several replicas."""
    failed: list[str] = []

    def make(item: BatchItem) -> ItemReply:
        if item.tile is not None and item.tile.index == number and not failed:
            failed.append(item.id)
            return problem_reply(item, 500, "step_failed")
        return pictures_reply(item, cut(item))

    return cut_with(make)


@pytest.mark.parametrize("number", range(TILES))
async def test_a_chunk_that_failed_is_tried_again_alone_at_another_replica(
    client: ReplicaClient, number: int
) -> None:
    script = fails_once(number)
    async with belt(client, script, script, pipeline=TILED) as line:
        job = await run_tiled(line)
        assert job.state is JobState.COMPLETED
        assert await picture_of(line, job) == encode_picture(PIXELS, JPEG).body
        asked = sorted(item.id for item in items_of(line))
        assert asked == sorted([*(f"job-1#{n}" for n in range(TILES)), f"job-1#{number}"])
        places = [
            [f"job-1#{number}" in ids for ids in replica.ids()] for replica in line.replicas[STEP]
        ]
        assert [any(found) for found in places] == [True, True], "once at each replica"
        (run,) = job.stages
        attempts = [chunk.attempts for chunk in run.chunks]
        assert attempts == [2 if n == number else 1 for n in range(TILES)]
        assert (run.attempts, job.attempts) == (2, 2)


async def test_chunks_of_a_replica_that_dies_are_computed_by_the_other(
    client: ReplicaClient,
) -> None:
    async with belt(client, in_turn(scripted.reset, cut_all), cut_all, pipeline=TILED) as line:
        job = await run_tiled(line)
        assert await picture_of(line, job) == encode_picture(PIXELS, JPEG).body
        first, second = line.replicas[STEP]
        assert {chunk.replica for chunk in job.stages[0].chunks} == {second.url}
        assert [len(ids) for ids in first.ids()] == [2]


async def test_a_chunk_that_fails_everywhere_ends_the_job(client: ReplicaClient) -> None:
    def refuse_one(item: BatchItem) -> ItemReply:
        is_odd = item.tile is not None and item.tile.index == 1
        return (
            problem_reply(item, 422, "invalid_params")
            if is_odd
            else pictures_reply(item, cut(item))
        )

    async with belt(client, cut_with(refuse_one), pipeline=TILED) as line:
        job = await run_tiled(line)
        assert code_of(job) == "invalid_params"
        assert (job.stages, line.blobs.total_bytes()) == ((), 0)


def spoiled(change: Callable[[Picture], Picture]) -> Script:
    """Answer one of the chunks changed."""

    def make(item: BatchItem) -> ItemReply:
        reply = cut(item)
        if item.tile is not None and item.tile.index == 1:
            reply = replace(reply, pictures=[change(reply.pictures[0])])
        return pictures_reply(item, reply)

    return cut_with(make)


SPOILED: dict[str, Script] = {
    "cut short": spoiled(lambda chunk: replace(chunk, body=chunk.body[:-20])),
    "garbage": spoiled(lambda chunk: replace(chunk, body=b"garbage")),
    "empty": spoiled(lambda chunk: replace(chunk, body=b"")),
    "wider": spoiled(lambda chunk: replace(chunk, width=chunk.width + 1)),
    "taller": spoiled(lambda chunk: replace(chunk, height=chunk.height + 16)),
    "png": spoiled(lambda chunk: encode_picture(PIXELS[:32], PNG)),
    "data": cut_with(scripted.item_reply),
    "times": cut_with(lambda item: pictures_reply(item, replace(cut(item), timings_s=[1, 1]))),
    "no time": cut_with(lambda item: pictures_reply(item, replace(cut(item), timings_s=[]))),
}


@pytest.mark.parametrize("media_type", [JPEG, PNG])
@pytest.mark.parametrize("how", SPOILED)
async def test_a_chunk_that_is_none_ends_the_job_and_leaves_nothing(
    client: ReplicaClient, how: str, media_type: str
) -> None:
    async with belt(client, SPOILED[how], pipeline=TILED) as line:
        job = await run_tiled(line, media_type=media_type, result_key="k" * 64)
        assert code_of(job) == "invalid_response"
        assert (line.blobs.total_bytes(), line.cache.total_bytes()) == (0, 0)


async def test_a_joined_picture_that_cannot_be_encoded_ends_the_job(client: ReplicaClient) -> None:
    async def refuse_to_encode(request: Request) -> StreamResponse:
        if any(item.as_is for item in request.items):
            return frame(
                request, [problem_reply(item, 422, "image_too_large") for item in request.items]
            )
        return await cut_all(request)

    async with belt(client, refuse_to_encode, pipeline=TILED) as line:
        job = await run_tiled(line, media_type="image/webp")
        assert code_of(job) == "image_too_large"
        assert line.blobs.total_bytes() == 0


@pytest.mark.parametrize("odd", range(TILES))
async def test_one_chunk_from_another_revision_makes_the_whole_one_of_it(
    client: ReplicaClient, odd: int
) -> None:
    async def change_revision(request: Request) -> StreamResponse:
        indices = [item.tile.index for item in request.items if item.tile is not None]
        request.replica.revision = "r2" if odd in indices else "r1"
        return await cut_all(request)

    pipeline = make_pipeline(dedicated("t", "sobel", {"tiles": TILES}), dedicated("b", "blur"))
    async with belt(client, *[change_revision] * TILES, pipeline=pipeline) as line:
        for replica in line.replicas["default/b"]:
            replica.script = pictures.paint
        job = await run_tiled(line, result_key="k" * 64)
        assert job.revision == "r2+r1", "or the result would be kept as one of r1 alone"
        assert line.cache.total_bytes() == 0
