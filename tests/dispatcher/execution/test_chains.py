"""Chains of stages on one picture: who is asked for what, and what becomes of it."""

import hashlib

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import StorageFullError
from dispatcher.jobs import Job, JobState, OperationSpec
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pools.client import ReplicaClient
from step_app.contract.frames import BatchItem
from step_app.contract.pictures import RAW_MEDIA_TYPE, PictureReply
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import IMAGE, Belt, belt
from tests.dispatcher.execution.chains import (
    CLASSIFIER,
    HOSTED,
    bare,
    dedicated,
    operations_pipeline,
)
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.scripted_pictures import HEIGHT, STEP_S, WIDTH
from tests.dispatcher.scripted_replica import in_turn, problem_reply, reply_with

CORRUPT = reply_with(lambda item: problem_reply(item, 422, "image_corrupt"))
TWO_POOLS = make_pipeline(dedicated("a", "resize"), dedicated("b", "blur"))


async def run_chain(line: Belt, *operations: OperationSpec, media_type: str = "image/png") -> Job:
    return await line.run(
        pipeline_id=OPERATIONS_PIPELINE, operations=operations, media_type=media_type
    )


def items_of(line: Belt, step: str) -> list[BatchItem]:
    return [
        item
        for replica in line.replicas[step]
        for request in replica.requests
        for item in request.items
    ]


async def picture_of(line: Belt, job: Job) -> bytes:
    (output,) = job.outputs
    body = await line.blobs.get(output.digest)
    assert hashlib.sha256(body).hexdigest() == output.digest
    return body


async def test_it_is_told_when_each_stage_began(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize", size="50%"), bare("sobel"))
    first, second = (run.began_at for run in job.stages)
    assert job.started_at and job.completed_at and first and second
    assert second - first == pytest.approx(STEP_S, abs=1e-6)
    assert second + STEP_S <= job.completed_at


async def test_operations_of_one_pool_are_asked_for_in_one_request(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize", size="50%"), bare("sobel"), bare("blur"))
        assert job.state is JobState.COMPLETED
        (item,) = items_of(line, HOSTED)
        assert item.params == {
            "operations": [["resize", {"size": "50%"}], ["sobel", {}], ["blur", {}]]
        }
        assert (item.image, item.output, item.tile, item.as_is) == (IMAGE, "image/png", None, False)
        assert await picture_of(line, job) == b"koala|resize size=50%|sobel|blur"


async def test_a_job_that_made_a_picture_tells_all_about_it(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize"), bare("sobel"), media_type="image/jpeg")
        (replica,) = line.replicas[HOSTED]
        (output,) = job.outputs
        assert (output.media_type, output.width, output.height) == ("image/jpeg", WIDTH, HEIGHT)
        assert (output.piece, output.data, job.result) == (None, {}, None)
        assert [(run.step_id, run.type) for run in job.stages] == [("0", "resize"), ("1", "sobel")]
        for run in job.stages:
            assert (run.duration_s, run.replica, run.attempts) == (STEP_S, replica.url, 1)
            assert (run.from_cache, run.chunks) == (False, ())
        assert (job.revision, job.attempts) == ("r1+r1", 1)


async def test_a_picture_is_held_once_by_the_job_that_made_it(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize"))
        assert line.blobs.total_bytes() == len(await picture_of(line, job))
        await line.blobs.release(job.outputs[0].digest)
        assert line.blobs.total_bytes() == 0


async def test_stages_with_pools_of_their_own_are_asked_one_after_the_other(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.paint, pipeline=TWO_POOLS) as line:
        job = await line.run(media_type="image/webp", overrides={"b": {"ksize": 7}})
        (first,), (second,) = items_of(line, "default/a"), items_of(line, "default/b")
        assert (first.image, first.params, first.output) == (IMAGE, {}, RAW_MEDIA_TYPE)
        assert (second.image, second.params) == (b"koala|own", {"ksize": 7})
        assert second.output == "image/webp"
        assert await picture_of(line, job) == b"koala|own|own ksize=7"
        assert [run.step_id for run in job.stages] == ["a", "b"]
        assert job.revision == "r1+r1"


async def test_a_classifier_after_operations_is_asked_with_the_picture_that_was_made(
    client: ReplicaClient,
) -> None:
    async with belt(
        client, pictures.paint, pipeline=operations_pipeline(), others=(make_pipeline(),)
    ) as line:
        line.replicas[CLASSIFIER][0].script = pictures.classify
        job = await run_chain(line, bare("resize"), bare("classifier"))
        assert job.state is JobState.COMPLETED
        (output,) = job.outputs
        assert output.data == {"predictions": ["koala|resize"], "scores": [0.5]}
        assert await picture_of(line, job) == b"koala|resize"
        assert [(run.step_id, run.type) for run in job.stages] == [
            ("0", "resize"),
            ("1", "classifier"),
        ]
        assert job.result is None, "data and picture are told together"
        assert job.revision == "r1+r1"


async def test_a_classifier_alone_gives_its_data_and_no_picture(client: ReplicaClient) -> None:
    async with belt(
        client, pictures.classify, pipeline=operations_pipeline(), others=(make_pipeline(),)
    ) as line:
        job = await run_chain(line, bare("classifier"))
        assert job.outputs == ()
        assert job.result is not None
        assert job.result["predictions"] == ["koala"]
        assert line.blobs.total_bytes() == 0


async def test_what_a_step_says_of_a_picture_is_kept_with_it(client: ReplicaClient) -> None:
    said = {"timings": [{"threads": 1, "kernel_s": 0.1}]}

    def tell(item: BatchItem) -> PictureReply:
        made = pictures.picture(item.image + b"|grey", item.output, **said)
        return PictureReply(pictures=[made], timings_s=[0.1])

    async with belt(client, pictures.paint_with(tell), pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("grayscale"))
        assert job.outputs[0].data == said


async def test_what_an_earlier_pool_says_of_a_picture_is_not_lost_in_a_later_one(
    client: ReplicaClient,
) -> None:
    def tell(item: BatchItem) -> PictureReply:
        made = pictures.picture(item.image + b"|grey", item.output, timings=[1, 2])
        return PictureReply(pictures=[made], timings_s=[0.1])

    async with belt(client, pictures.paint, pipeline=TWO_POOLS) as line:
        line.replicas["default/a"][0].script = pictures.paint_with(tell)
        job = await line.run()
        assert job.outputs[0].data == {"timings": [1, 2]}


# Failing


async def test_a_failure_in_a_later_pool_keeps_what_ran_before_and_puts_no_picture(
    client: ReplicaClient,
) -> None:
    async with belt(client, pictures.paint, pipeline=TWO_POOLS) as line:
        line.replicas["default/b"][0].script = CORRUPT
        job = await line.run()
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error.code == "image_corrupt"
        assert [run.step_id for run in job.stages] == ["a"]
        assert (job.outputs, line.blobs.total_bytes()) == ((), 0)


async def test_a_failure_of_a_fused_chain_tells_of_no_stage(client: ReplicaClient) -> None:
    async with belt(client, CORRUPT, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize"), bare("sobel"))
        assert (job.state, job.stages, job.attempts) == (JobState.FAILED, (), 1)


async def test_a_fused_chain_is_tried_again_as_a_whole(client: ReplicaClient) -> None:
    flaky = in_turn(scripted.break_down, pictures.paint)
    async with belt(client, flaky, pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize"), bare("sobel"))
        assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
        assert [run.attempts for run in job.stages] == [2, 2]
        asked = pictures.chains_asked(line.replicas[HOSTED][0].requests)
        assert asked == [["resize", "sobel"]] * 2


@pytest.mark.parametrize("step_type", ["resize", "classifier"])
async def test_a_chain_whose_pool_is_gone_fails(client: ReplicaClient, step_type: str) -> None:
    async with belt(client, pictures.paint, pipeline=make_pipeline(pipeline_id="other")) as line:
        job = await run_chain(line, bare(step_type))
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "unknown_pipeline")


class FullBlobs(MemoryBlobStore):
    """A store that is full after so many bytes."""

    room = 0
    fault: Exception = StorageFullError()

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        if self.total_bytes() + len(data) > self.room:
            raise self.fault
        await super().put(digest, data, is_new_work=is_new_work)


async def test_of_a_split_that_does_not_fit_no_piece_is_kept(client: ReplicaClient) -> None:
    blobs = FullBlobs()
    async with belt(client, pictures.paint, pipeline=operations_pipeline(), blobs=blobs) as line:
        blobs.room = len(IMAGE) + 3 * len(b"koala|split#0")
        job = await run_chain(line, bare("split"))
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "storage_full")
        assert [run.type for run in job.stages] == ["split"]
        assert (job.outputs, blobs.total_bytes()) == ((), 0)


async def test_a_store_that_breaks_between_two_pieces_keeps_none(client: ReplicaClient) -> None:
    blobs = FullBlobs()
    blobs.fault = OSError("the disk is gone")
    async with belt(client, pictures.paint, pipeline=operations_pipeline(), blobs=blobs) as line:
        blobs.room = len(IMAGE) + 3 * len(b"koala|split#0")
        with pytest.raises(OSError, match="the disk is gone"):
            await run_chain(line, bare("split"))
        assert blobs.total_bytes() == 0


# Answers that are none


WRONG = {
    "data instead of a picture": scripted.answer,
    "a time too few": pictures.paint_with(
        lambda item: PictureReply([pictures.picture(b"x")], [0.1])
    ),
    "a time too many": pictures.paint_with(
        lambda item: PictureReply([pictures.picture(b"x")], [0.1] * 3)
    ),
    "no times": pictures.paint_with(lambda item: PictureReply([pictures.picture(b"x")], [])),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_answer_that_is_not_that_of_the_chain_ends_the_job(
    client: ReplicaClient, wrong: str
) -> None:
    async with belt(client, WRONG[wrong], pipeline=operations_pipeline()) as line:
        job = await run_chain(line, bare("resize"), bare("sobel"))
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "invalid_response")
        assert (job.outputs, line.blobs.total_bytes()) == ((), 0)


async def test_a_picture_instead_of_data_ends_the_job(client: ReplicaClient) -> None:
    async with belt(client, pictures.paint) as line:
        job = await line.run()
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "invalid_response")
