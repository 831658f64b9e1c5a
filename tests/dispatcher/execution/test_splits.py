"""A picture that is split: its pieces go the rest of the way at once, and keep their order."""

import asyncio
from typing import Any

import pytest
from aiohttp.web import StreamResponse

from dispatcher.execution.stage_runs import merge_runs
from dispatcher.jobs import Job, JobState, OperationSpec
from dispatcher.pipelines.model import Stage
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pools.client import ReplicaClient
from dispatcher.runs import StageRun
from step_app.contract.frames import BatchItem
from step_app.contract.pictures import PictureReply
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.execution.chains import (
    CLASSIFIER,
    HOSTED,
    bare,
    dedicated,
    operations_pipeline,
)
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_pictures import painted, pictures_reply
from tests.dispatcher.scripted_replica import Request, Script, frame, item_reply, problem_reply
from tests.dispatcher.waiting import until

PIECES = [f"koala|split#{number}" for number in range(4)]
SPLIT_STAGE = dedicated("s", "split")


async def run_chain(line: Belt, *operations: OperationSpec, **changes: Any) -> Job:
    return await line.run(pipeline_id=OPERATIONS_PIPELINE, operations=operations, **changes)


async def pictures_of(line: Belt, job: Job) -> list[str]:
    return [(await line.blobs.get(output.digest)).decode() for output in job.outputs]


def split_then(*stages: Stage) -> Any:
    """A pipeline whose first pool splits, with pools of their own for the rest."""
    return make_pipeline(SPLIT_STAGE, *stages)


async def split(request: Request) -> StreamResponse:
    """Do as a replica of the step type split."""

    def pieces(item: BatchItem) -> PictureReply:
        made = [pictures.picture(name.encode(), item.output) for name in PIECES]
        return PictureReply(pictures=made, timings_s=[0.1])

    return await pictures.paint_with(pieces)(request)


async def test_the_pieces_of_a_split_are_numbered_in_reading_order(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("split", rows=2, cols=2))
        assert await pictures_of(line, job) == PIECES
        assert [output.piece for output in job.outputs] == [0, 1, 2, 3]
        assert line.blobs.total_bytes() == sum(map(len, PIECES))


async def test_a_split_into_one_piece_is_a_split(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("split", rows=1, cols=1))
        assert [output.piece for output in job.outputs] == [0]


async def test_what_follows_a_split_in_the_same_pool_is_one_request(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("split", rows=1, cols=2), bare("blur"))
        assert len(line.received()) == 1
        assert await pictures_of(line, job) == ["koala|split#0|blur", "koala|split#1|blur"]


async def test_pieces_that_are_equal_are_kept_once_and_held_twice(client: ReplicaClient) -> None:
    def same(item: BatchItem) -> PictureReply:
        return PictureReply([pictures.picture(b"same", item.output)] * 2, [0.1])

    async with belt(client, pictures.paint_with(same), pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("split"))
        digest = job.outputs[0].digest
        assert [output.digest for output in job.outputs] == [digest] * 2
        await line.blobs.release(digest)
        assert await line.blobs.get(digest) == b"same"
        await line.blobs.release(digest)
        assert line.blobs.total_bytes() == 0


# Fanning out


def slower_for_earlier_pieces() -> Script:
    """Answer the pieces in the opposite of their order."""
    answered: list[bytes] = []

    async def script(request: Request) -> StreamResponse:
        (item,) = request.items
        number = PIECES.index(item.image.decode())
        await until(lambda: len(answered) == 3 - number)
        answered.append(item.image)
        return await pictures.paint(request)

    return script


async def test_the_pieces_pass_the_next_pool_at_once_and_keep_their_order(
    client: ReplicaClient,
) -> None:
    script = slower_for_earlier_pieces()
    pipeline = split_then(dedicated("b", "blur"))
    async with belt(client, *[script] * 4, pipeline=pipeline) as line:
        line.replicas["default/s"][0].script = split
        line.pools.get("default/s").set_replicas([line.replicas["default/s"][0].url])
        job = await line.run()
        assert await pictures_of(line, job) == [f"{piece}|own" for piece in PIECES]
        assert [output.piece for output in job.outputs] == [0, 1, 2, 3]
        assert sorted(len(r.requests) for r in line.replicas["default/b"]) == [1, 1, 1, 1]


async def test_a_stage_that_saw_several_pieces_is_told_by_its_slowest(
    client: ReplicaClient,
) -> None:
    def timed(item: BatchItem) -> PictureReply:
        number = PIECES.index(item.image.decode())
        return PictureReply([pictures.picture(item.image)], [(0.3, 0.9, 0.1, 0.2)[number]])

    async with belt(client, split, pipeline=split_then(dedicated("b", "blur"))) as line:
        line.replicas["default/b"][0].script = pictures.paint_with(timed)
        job = await line.run()
        assert [(run.step_id, run.duration_s) for run in job.stages] == [("s", 0.1), ("b", 0.9)]


async def test_a_split_of_a_split_gives_all_pieces_in_order(client: ReplicaClient) -> None:
    pipeline = split_then(dedicated("t", "split"))

    def halves(item: BatchItem) -> PictureReply:
        made = [pictures.picture(item.image + f".{n}".encode(), item.output) for n in range(2)]
        return PictureReply(made, [0.1])

    async with belt(client, split, pipeline=pipeline) as line:
        line.replicas["default/t"][0].script = pictures.paint_with(halves)
        job = await line.run()
        assert await pictures_of(line, job) == [f"{p}.{n}" for p in PIECES for n in range(2)]
        assert [output.piece for output in job.outputs] == list(range(8))


async def test_a_classifier_after_a_split_labels_every_piece(client: ReplicaClient) -> None:
    async with belt(
        client, pictures.paint, pipeline=operations_pipeline(), others=(make_pipeline(),)
    ) as line:
        line.replicas[CLASSIFIER][0].script = pictures.classify
        job = await run_chain(line, bare("split"), bare("classifier"), filename="koala.png")
        assert await pictures_of(line, job) == PIECES
        for output, piece in zip(job.outputs, PIECES, strict=True):
            assert output.data == {"predictions": [piece], "scores": [0.5]}, "and no file name"
        assert [run.type for run in job.stages] == ["split", "classifier"]
        assert job.result is None


# Failing


async def test_one_piece_that_fails_ends_the_job_and_leaves_nothing(client: ReplicaClient) -> None:
    async def refuse_one(request: Request) -> StreamResponse:
        return frame(
            request,
            [
                problem_reply(item, 422, "image_corrupt")
                if item.image.decode() == PIECES[2]
                else pictures_reply(item, painted(item))
                for item in request.items
            ],
        )

    async with belt(client, split, pipeline=split_then(dedicated("b", "blur"))) as line:
        line.replicas["default/b"][0].script = refuse_one
        job = await line.run()
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "image_corrupt")
        assert [run.step_id for run in job.stages] == ["s"]
        assert (job.outputs, line.blobs.total_bytes()) == ((), 0)


async def test_when_one_piece_fails_nobody_waits_for_the_others(client: ReplicaClient) -> None:
    async def refuse_one_and_hang(request: Request) -> StreamResponse:
        if PIECES[2] not in [item.image.decode() for item in request.items]:
            await asyncio.Event().wait()
        return frame(request, [problem_reply(item, 422, "image_corrupt") for item in request.items])

    pipeline = split_then(dedicated("b", "blur"))
    async with belt(client, *[refuse_one_and_hang] * 4, pipeline=pipeline) as line:
        line.pools.get("default/s").set_replicas([line.replicas["default/s"][0].url])
        line.replicas["default/s"][0].script = split
        job = await line.run()
        assert job.error is not None
        assert job.error.code == "image_corrupt"


async def test_a_label_that_fails_ends_the_job_and_leaves_nothing(client: ReplicaClient) -> None:
    async def refuse_one(request: Request) -> StreamResponse:
        return frame(
            request,
            [
                problem_reply(item, 422, "image_corrupt")
                if item.image.decode() == PIECES[1]
                else item_reply(item)
                for item in request.items
            ],
        )

    pipeline = split_then(dedicated("c", "classifier"))
    async with belt(client, split, pipeline=pipeline) as line:
        line.replicas["default/c"][0].script = refuse_one
        job = await line.run()
        assert job.state is JobState.FAILED
        assert [run.step_id for run in job.stages] == ["s"]
        assert line.blobs.total_bytes() == 0


# Sharing


async def test_pieces_that_are_known_go_on_from_there(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        await run_chain(line, bare("split"), bare("blur"), result_key="k" * 64)
        job = await run_chain(line, bare("split"), bare("sobel"), result_key="k" * 64)
        assert line.replicas[HOSTED][0].computed == [["split", "blur"], ["sobel"]]
        assert await pictures_of(line, job) == [f"{piece}|sobel" for piece in PIECES]
        assert [run.from_cache for run in job.stages] == [True, False]
        assert [output.piece for output in job.outputs] == [0, 1, 2, 3]


async def test_what_was_made_of_one_piece_is_not_taken_for_another(client: ReplicaClient) -> None:
    pipeline = split_then(dedicated("b", "blur"), dedicated("c", "sobel"))
    async with belt(client, pictures.paint, pipeline=pipeline) as line:
        line.replicas["default/s"][0].script = split
        for _ in range(2):
            job = await line.run(result_key="k" * 64)
            assert await pictures_of(line, job) == [f"{piece}|own|own" for piece in PIECES]
        assert [len(line.replicas[f"default/{step}"][0].requests) for step in "sb"] == [1, 1]
        assert [run.from_cache for run in job.stages] == [True, True, False]


@pytest.mark.parametrize("odd", range(4))
async def test_one_piece_from_another_revision_makes_the_whole_one_of_it(
    client: ReplicaClient, odd: int
) -> None:
    async def change_revision(request: Request) -> StreamResponse:
        is_odd = PIECES[odd] in [item.image.decode() for item in request.items]
        request.replica.revision = "r2" if is_odd else "r1"
        return await pictures.paint(request)

    pipeline = split_then(dedicated("b", "blur"))
    async with belt(client, *[change_revision] * 4, pipeline=pipeline) as line:
        line.pools.get("default/s").set_replicas([line.replicas["default/s"][0].url])
        line.replicas["default/s"][0].script = split
        job = await line.run()
        assert job.revision == "r1+r2", "or the result would be kept as one of r1 alone"


@pytest.mark.parametrize("odd", range(4))
async def test_one_label_from_another_revision_makes_the_whole_one_of_it(
    client: ReplicaClient, odd: int
) -> None:
    async def change_revision(request: Request) -> StreamResponse:
        is_odd = PIECES[odd] in [item.image.decode() for item in request.items]
        request.replica.revision = "r2" if is_odd else "r1"
        return await pictures.classify(request)

    pipeline = split_then(dedicated("c", "classifier"))
    async with belt(client, *[change_revision] * 4, pipeline=pipeline) as line:
        line.pools.get("default/s").set_replicas([line.replicas["default/s"][0].url])
        line.replicas["default/s"][0].script = split
        job = await line.run()
        assert job.revision == "r1+r2"


def test_of_several_runs_of_a_stage_the_slowest_is_told() -> None:
    def run(step_id: str, duration_s: float, replica: str) -> StageRun:
        return StageRun(step_id, "blur", duration_s, replica, attempts=1)

    fast = [run("0", 0.1, "one"), run("1", 0.9, "one")]
    slow = [run("0", 0.5, "other"), run("1", 0.2, "other")]
    assert merge_runs([fast, slow]) == [slow[0], fast[1]]
    assert merge_runs([fast]) == fast
