"""Batches: all of one is accepted, or nothing."""

import asyncio

import pytest

from dispatcher.blobs.base import BlobMissingError
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import (
    DrainingError,
    NotFoundError,
    OverloadedError,
    RequestError,
    UnknownPipelineError,
)
from dispatcher.jobs import JobState, OperationSpec
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.telemetry.figures import CacheOutcome
from tests.dispatcher.intake.batching import (
    BLUR,
    NO_IMAGE,
    SOBEL,
    SlowQueue,
    end_next,
    image,
    jobs_of,
    let_go,
    make_intake,
    make_rooms,
    send_form,
    submit,
    with_operations,
)
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns


@pytest.fixture
def rooms(rooms: Rooms) -> Rooms:
    return with_operations(rooms)


def nothing_is_kept(rooms: Rooms) -> bool:
    return not (rooms.queue.depth() or rooms.results.count() or rooms.blobs.total_bytes())


def figures_agree(rooms: Rooms) -> bool:
    """Whether every accepted job is counted once, and has ended or waits."""
    figures = rooms.figures
    ended = sum(figures.ended.values())
    return figures.accepted == sum(figures.cache.values()) == ended + rooms.queue.depth()


# Accepting


async def test_every_file_becomes_a_job_in_its_order(rooms: Rooms) -> None:
    batch = await submit(rooms, *map(image, range(3)))
    jobs = await jobs_of(rooms, batch)
    assert [job.filename for job in jobs] == ["0.png", "1.png", "2.png"]
    assert [file.filename for file in batch.files] == ["0.png", "1.png", "2.png"]
    assert {job.state for job in jobs} == {JobState.QUEUED}
    assert [rooms.queue.position(job.id) for job in jobs] == [0, 1, 2]
    assert await rooms.results.get_batch(batch.id) == batch
    assert rooms.figures.cache[CacheOutcome.MISS] == rooms.figures.accepted == 3
    assert figures_agree(rooms)


async def test_a_job_knows_its_image_and_its_operations(rooms: Rooms) -> None:
    (job,) = await jobs_of(rooms, await submit(rooms, image(0)))
    assert (job.media_type, job.width, job.height) == ("image/png", 8, 8)
    assert job.pipeline_id == "operations"
    params = {"method": "median", "ksize": 5, "tiles": 1, "output": None}
    assert job.operations == (OperationSpec("blur", params),)
    assert (job.overrides, job.expected_revision) == ({}, "r1")
    assert job.result_key is not None


async def test_a_classifier_at_the_end_goes_to_its_own_pool(rooms: Rooms) -> None:
    actions = {"operations": [["blur"], ["classifier", 3]]}
    (job,) = await jobs_of(rooms, await submit(rooms, image(0), actions=actions))
    assert job.overrides == {"1": {"top_k": 3}}
    assert job.expected_revision == "r1+r1"


async def test_every_file_goes_through_each_of_the_actions(rooms: Rooms) -> None:
    batch = await submit(rooms, image(0), image(1), actions=[BLUR, SOBEL])
    jobs = await jobs_of(rooms, batch)
    assert [(job.filename, job.operations[0].type) for job in jobs] == [
        ("0.png", "blur"),
        ("0.png", "sobel"),
        ("1.png", "blur"),
        ("1.png", "sobel"),
    ]
    assert rooms.queue.depth() == 4
    assert [bool(file.digest) for file in batch.files] == [True, False, True, False]
    assert [file.media_type for file in batch.files] == ["image/png", "", "image/png", ""]


async def test_the_images_stay_for_the_batch_when_its_jobs_have_ended(rooms: Rooms) -> None:
    images = [image(0), image(1), image(0)]
    batch = await submit(rooms, *images, actions=[BLUR, SOBEL])
    for _ in range(4):
        await end_next(rooms)
    assert {job.state for job in await jobs_of(rooms, batch)} == {JobState.COMPLETED}
    for file, data in zip(batch.files[::2], images, strict=True):
        assert await rooms.blobs.get(file.digest) == data
    await let_go(rooms, batch)
    for file in batch.files[::2]:
        with pytest.raises(BlobMissingError):
            await rooms.blobs.get(file.digest)


# A file that is no image


async def test_a_file_that_is_no_image_fails_alone(rooms: Rooms) -> None:
    batch = await submit(rooms, image(0), NO_IMAGE, image(1))
    first, bad, last = await jobs_of(rooms, batch)
    assert bad.state is JobState.FAILED
    assert bad.error is not None
    assert (bad.error.code, bad.filename) == ("unsupported_image_type", "1.png")
    assert (batch.files[1].digest, batch.files[1].media_type) == ("", "")
    assert first.state is last.state is JobState.QUEUED
    assert rooms.figures.ended[JobState.FAILED] == 1
    assert figures_agree(rooms)


async def test_files_of_which_none_is_an_image_need_no_place_in_the_queue(rooms: Rooms) -> None:
    await submit(rooms, *map(image, range(rooms.queue.capacity)))
    batch = await submit(rooms, NO_IMAGE, b"")
    assert {job.state for job in await jobs_of(rooms, batch)} == {JobState.FAILED}
    assert figures_agree(rooms)


# Refusing


async def test_more_files_than_may_wait_are_admitted_together(rooms: Rooms) -> None:
    batch = await submit(rooms, *map(image, range(20)))
    assert rooms.queue.depth() == len(batch.files) == 20
    assert rooms.figures.peak_depth == 20


async def test_a_full_queue_refuses_all_and_keeps_nothing(rooms: Rooms) -> None:
    before = await submit(rooms, *map(image, range(rooms.queue.capacity)))
    kept = (rooms.results.count(), rooms.blobs.total_bytes(), rooms.figures.accepted)
    for _ in range(2):  # the second would follow the first if that were still in the air
        with pytest.raises(OverloadedError) as refused:
            await submit(rooms, image(99), NO_IMAGE, image(98), image(99))
        assert refused.value.retry_after_s is not None
    assert rooms.queue.depth() == len(before.files)
    assert (rooms.results.count(), rooms.blobs.total_bytes(), rooms.figures.accepted) == kept
    await end_next(rooms)
    jobs = await jobs_of(rooms, await submit(rooms, image(99)))
    assert [job.coalesced for job in jobs] == [False]


async def test_a_draining_service_takes_nothing(rooms: Rooms) -> None:
    rooms.is_draining = True
    with pytest.raises(DrainingError):
        await submit(rooms, image(0), NO_IMAGE)
    assert nothing_is_kept(rooms)


@pytest.mark.parametrize("actions", [BLUR, {"operations": [["blur"], ["classifier"]]}])
async def test_operations_without_a_pool_are_refused(rooms: Rooms, actions: object) -> None:
    rooms.pipelines.replace([make_pipeline()])
    with pytest.raises(UnknownPipelineError) as refused:
        await submit(rooms, image(0), actions=actions)
    assert refused.value.detail == "No pool runs these operations at the moment."
    assert nothing_is_kept(rooms)


async def test_a_queue_that_fills_up_meanwhile_leaves_no_trace() -> None:
    rooms = make_rooms(queue=SlowQueue(capacity=1))
    assert isinstance(rooms.queue, SlowQueue)
    racing = [
        asyncio.create_task(submit(rooms, image(n), image(n + 10), NO_IMAGE)) for n in range(3)
    ]
    await turns(10)
    rooms.queue.may_put.set()
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverloadedError)]
    assert len(refused) == 2
    assert rooms.queue.depth() == 2
    assert rooms.results.count() == 3
    assert rooms.blobs.total_bytes() == len(image(0)) + len(image(10))
    assert figures_agree(rooms)


async def test_a_client_that_leaves_takes_its_batch_along() -> None:
    rooms = make_rooms(queue=SlowQueue(capacity=1))
    submitting = asyncio.create_task(submit(rooms, image(0), image(0), NO_IMAGE))
    await turns(10)
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert nothing_is_kept(rooms)
    assert rooms.figures.accepted == 0


async def test_a_store_that_breaks_leaves_no_image_behind(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(rooms.results, "add", break_down)
    with pytest.raises(OSError, match="no space"):
        await submit(rooms, image(0), image(1))
    assert nothing_is_kept(rooms)


async def test_a_form_that_was_refused_can_be_sent_again() -> None:
    rooms = make_rooms(queue=MemoryJobQueue(capacity=1), blobs=MemoryBlobStore())
    await submit(rooms, image(0))
    form = await send_form(rooms, image(1))
    with pytest.raises(RequestError):
        await make_intake(rooms).submit(form)
    await end_next(rooms)
    batch = await submit(rooms, image(1))
    assert (await rooms.results.get(batch.files[0].job_id)).state is JobState.QUEUED


async def test_no_batch_of_another_id_is_known(rooms: Rooms) -> None:
    await submit(rooms, image(0))
    with pytest.raises(NotFoundError):
        await rooms.results.get_batch("no-such-batch")
