"""Failed jobs are kept with their images, and can be repeated."""

import pytest
from msgspec.structs import replace

from dispatcher.errors import (
    DrainingError,
    ImageGoneError,
    NotFailedError,
    OverloadedError,
    UnknownPipelineError,
)
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.requeueing import Requeueing
from dispatcher.jobs import Job, JobState, Priority
from tests.dispatcher.intake import batching
from tests.dispatcher.intake.ending import outcome, settle, state_of, take
from tests.dispatcher.intake.submitting import ANEW, submit
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.rooms import Rooms

URGENT = SubmitOptions(
    params='{"classifier": {"top_k": 3}}',
    priority=Priority.HIGH,
    deadline_s=60.0,
    webhook_url="https://example.org/hook",
    tenant="ann",
)


def requeueing(rooms: Rooms) -> Requeueing:
    return Requeueing(
        intake=rooms.intake,
        blobs=rooms.blobs,
        pipelines=rooms.pipelines,
        coalescing=rooms.coalescing,
        figures=rooms.figures,
    )


async def fail_next(rooms: Rooms) -> Job:
    """Fail the next job as a consumer does."""
    ended = failed(await take(rooms), "replica_lost")
    await settle(rooms, ended)
    return ended


@pytest.mark.parametrize("options", [SubmitOptions(), ANEW, URGENT], ids=["plain", "anew", "all"])
async def test_what_was_asked_for_is_asked_for_again(rooms: Rooms, options: SubmitOptions) -> None:
    first = await submit(rooms, options=options)
    again = await requeueing(rooms).requeue(await fail_next(rooms))
    assert again.id != first.id
    assert again.queued_at >= first.queued_at
    same = replace(again, id=first.id, queued_at=first.queued_at, requeued_from=None)
    assert same == first
    assert again.requeued_from == first.id
    assert (again.state, rooms.queue.depth()) == (JobState.QUEUED, 1)
    await outcome(rooms, await take(rooms))
    assert await state_of(rooms, again) is JobState.COMPLETED
    assert await state_of(rooms, first) is JobState.FAILED


async def test_the_image_is_held_by_each_of_both(rooms: Rooms) -> None:
    first = await submit(rooms)
    failed_once = await fail_next(rooms)
    await requeueing(rooms).requeue(failed_once)
    failed_twice = await fail_next(rooms)
    for job in (failed_once, failed_twice):
        assert await rooms.blobs.get(first.digest), "as long as one of them is kept"
        await rooms.blobs.release(job.digest)
    assert rooms.blobs.total_bytes() == 0


async def test_a_repeated_job_can_fail_and_be_repeated(rooms: Rooms) -> None:
    await submit(rooms)
    for _ in range(3):
        ended = await fail_next(rooms)
        again = await requeueing(rooms).requeue(ended)
        assert again.requeued_from == ended.id
    await outcome(rooms, await take(rooms))
    assert await state_of(rooms, again) is JobState.COMPLETED


async def test_what_has_succeeded_meanwhile_answers_a_repeated_job_too(rooms: Rooms) -> None:
    await submit(rooms)
    ended = await fail_next(rooms)
    await submit(rooms)
    await rooms.complete_next()
    again = await requeueing(rooms).requeue(ended)
    assert (again.from_cache, again.requeued_from) == (True, ended.id)


async def test_a_repeated_job_joins_an_identical_one_in_flight(rooms: Rooms) -> None:
    await submit(rooms)
    ended = await fail_next(rooms)
    await submit(rooms)
    again = await requeueing(rooms).requeue(ended)
    assert (again.coalesced, rooms.queue.depth()) == (True, 1)
    await rooms.complete_next()
    assert await state_of(rooms, again) is JobState.COMPLETED


async def test_others_join_a_repeated_job(rooms: Rooms) -> None:
    await submit(rooms)
    await requeueing(rooms).requeue(await fail_next(rooms))
    assert (await submit(rooms)).coalesced


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.PROCESSING])
async def test_a_job_that_has_not_ended_is_not_repeated(rooms: Rooms, state: JobState) -> None:
    job = make_job(state=state, media_type="image/png")
    with pytest.raises(NotFailedError, match=state.value):
        await requeueing(rooms).requeue(job)


async def test_a_job_that_ended_otherwise_is_not_repeated(rooms: Rooms) -> None:
    job = make_job(media_type="image/png")
    for ended in (completed(job), job.cancelled(1.0), job.expired(1.0)):
        with pytest.raises(NotFailedError):
            await requeueing(rooms).requeue(ended)
    assert rooms.queue.depth() == rooms.results.count() == 0


async def test_a_file_that_was_no_image_cannot_be_repeated(rooms: Rooms) -> None:
    with pytest.raises(ImageGoneError):
        await requeueing(rooms).requeue(failed(make_job()))


async def test_a_job_whose_image_is_lost_cannot_be_repeated(rooms: Rooms) -> None:
    with pytest.raises(ImageGoneError):
        await requeueing(rooms).requeue(failed(make_job(media_type="image/png", work_key="w")))
    assert rooms.queue.depth() == rooms.results.count() == 0
    assert rooms.coalescing.find("w") is None


async def test_a_job_of_a_pipeline_that_is_gone_cannot_be_repeated(rooms: Rooms) -> None:
    await submit(rooms)
    ended = await fail_next(rooms)
    rooms.pipelines.replace([])
    with pytest.raises(UnknownPipelineError):
        await requeueing(rooms).requeue(ended)


async def test_a_full_queue_refuses_it_and_nothing_is_lost(rooms: Rooms) -> None:
    await submit(rooms, 0)
    ended = await fail_next(rooms)
    for seed in range(rooms.queue.capacity):
        await submit(rooms, seed + 1)
    with pytest.raises(OverloadedError):
        await requeueing(rooms).requeue(ended)
    assert rooms.coalescing.find(ended.work_key) is None
    await rooms.complete_next()
    assert (await requeueing(rooms).requeue(ended)).state is JobState.QUEUED


async def test_a_service_that_drains_repeats_nothing(rooms: Rooms) -> None:
    await submit(rooms)
    ended = await fail_next(rooms)
    rooms.is_draining = True
    with pytest.raises(DrainingError):
        await requeueing(rooms).requeue(ended)


async def test_the_operations_of_a_file_of_a_batch_are_repeated() -> None:
    rooms = batching.make_rooms()
    batch = await batching.submit(rooms, batching.image(1))
    (job,) = await batching.jobs_of(rooms, batch)
    ended = await fail_next(rooms)
    assert ended.id == job.id
    again = await requeueing(rooms).requeue(ended)
    assert (again.operations, again.overrides) == (job.operations, job.overrides)
    assert again.pipeline_id == job.pipeline_id
