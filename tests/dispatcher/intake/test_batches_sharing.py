"""What files of a batch have in common with each other, with other batches and with the past."""

import asyncio

import pytest

from dispatcher.errors import OverloadedError
from dispatcher.jobs import JobState
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
    make_rooms,
    submit,
    with_operations,
)
from tests.dispatcher.records import failed
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns


@pytest.fixture
def rooms(rooms: Rooms) -> Rooms:
    return with_operations(rooms)


# The past


async def test_what_was_made_before_is_answered_at_once(rooms: Rooms) -> None:
    await submit(rooms, image(0))
    ended = await end_next(rooms)
    batch = await submit(rooms, image(0), image(1))
    known, new = await jobs_of(rooms, batch)
    assert (known.state, known.from_cache) == (JobState.COMPLETED, True)
    assert known.outputs == ended.outputs
    assert (known.media_type, known.width) == ("image/png", 8)
    assert new.state is JobState.QUEUED
    assert rooms.queue.depth() == rooms.figures.cache[CacheOutcome.HIT] == 1


async def test_what_is_known_is_answered_even_while_the_queue_is_full(rooms: Rooms) -> None:
    await submit(rooms, image(0))
    await end_next(rooms)
    await submit(rooms, *map(image, range(1, 4)))
    batch = await submit(rooms, image(0), NO_IMAGE, image(1))
    states = [job.state for job in await jobs_of(rooms, batch)]
    assert states == [JobState.COMPLETED, JobState.FAILED, JobState.QUEUED]
    assert rooms.queue.depth() == 3


async def test_other_operations_are_other_results(rooms: Rooms) -> None:
    await submit(rooms, image(0))
    await end_next(rooms)
    for actions in (SOBEL, {"operations": [["blur", "median"]], "output": "png"}):
        (job,) = await jobs_of(rooms, await submit(rooms, image(0), actions=actions))
        assert not job.from_cache
        await end_next(rooms)


async def test_the_order_of_operations_is_part_of_the_result(rooms: Rooms) -> None:
    await submit(rooms, image(0), actions={"operations": [["blur"], ["sobel"]]})
    await end_next(rooms)
    other = {"operations": [["sobel"], ["blur"]]}
    (job,) = await jobs_of(rooms, await submit(rooms, image(0), actions=other))
    assert not job.from_cache


async def test_a_result_whose_picture_is_gone_is_made_anew(rooms: Rooms) -> None:
    await submit(rooms, image(0))
    ended = await end_next(rooms)
    for output in ended.outputs * 2:  # the job's hold and the cache's
        await rooms.blobs.release(output.digest)
    (job,) = await jobs_of(rooms, await submit(rooms, image(0)))
    assert job.state is JobState.QUEUED
    again = await end_next(rooms)
    assert again.id == job.id


async def test_who_wants_it_computed_anew_gets_that(rooms: Rooms) -> None:
    await submit(rooms, image(0))
    await end_next(rooms)
    batch = await submit(rooms, image(0), image(0), use_cache=False)
    assert {job.state for job in await jobs_of(rooms, batch)} == {JobState.QUEUED}
    assert rooms.queue.depth() == rooms.figures.cache[CacheOutcome.BYPASS] == 2
    (other,) = await jobs_of(rooms, await submit(rooms, image(1)))
    assert not other.coalesced


# The same batch


async def test_the_same_file_twice_is_computed_once(rooms: Rooms) -> None:
    batch = await submit(rooms, image(0), image(0), image(1), image(0))
    assert rooms.queue.depth() == 2
    assert [job.coalesced for job in await jobs_of(rooms, batch)] == [False, True, False, True]
    await end_next(rooms)
    jobs = await jobs_of(rooms, batch)
    assert [job.state.value for job in jobs] == ["completed", "completed", "queued", "completed"]
    assert len({job.id for job in jobs}) == 4
    assert jobs[0].outputs == jobs[1].outputs == jobs[3].outputs
    assert rooms.figures.cache[CacheOutcome.COALESCED] == 2


async def test_the_same_actions_twice_are_run_once(rooms: Rooms) -> None:
    batch = await submit(rooms, image(0), actions=[BLUR, SOBEL, BLUR])
    assert rooms.queue.depth() == 2
    assert [job.coalesced for job in await jobs_of(rooms, batch)] == [False, False, True]


async def test_followers_share_the_failure_of_their_leader(rooms: Rooms) -> None:
    batch = await submit(rooms, image(0), image(0))
    leader = await rooms.results.get(batch.files[0].job_id)
    await end_next(rooms, failed(leader, "image_corrupt"))
    errors = [job.error for job in await jobs_of(rooms, batch)]
    assert [error.code for error in errors if error is not None] == ["image_corrupt"] * 2


async def test_all_holds_end_with_the_batch_its_jobs_and_the_cache(rooms: Rooms) -> None:
    batch = await submit(rooms, image(0), image(0), NO_IMAGE, actions=[BLUR, SOBEL])
    ended = [await end_next(rooms), await end_next(rooms)]
    await let_go(rooms, batch, await jobs_of(rooms, batch))
    assert rooms.blobs.total_bytes() > 0, "the cache still holds what it knows"
    for job in ended:
        for output in job.outputs:
            await rooms.blobs.release(output.digest)
    assert rooms.blobs.total_bytes() == 0


# Other batches


async def test_work_that_another_batch_waits_for_is_joined(rooms: Rooms) -> None:
    first = await submit(rooms, image(0), image(1))
    second = await submit(rooms, image(1), image(2))
    assert rooms.queue.depth() == 3
    assert [job.coalesced for job in await jobs_of(rooms, second)] == [True, False]
    for _ in range(3):
        await end_next(rooms)
    for batch in (first, second):
        assert {job.state for job in await jobs_of(rooms, batch)} == {JobState.COMPLETED}


async def test_two_batches_that_follow_each_other_do_not_wait_for_ever() -> None:
    rooms = make_rooms(queue=SlowQueue(capacity=10))
    assert isinstance(rooms.queue, SlowQueue)
    racing = [
        asyncio.create_task(submit(rooms, image(0), image(1))),
        asyncio.create_task(submit(rooms, image(1), image(2), image(0))),
        asyncio.create_task(submit(rooms, image(2), image(0), image(3))),
    ]
    await turns(10)
    rooms.queue.may_put.set()
    async with asyncio.timeout(5):
        batches = await asyncio.gather(*racing)
    assert rooms.queue.depth() == 4
    for _ in range(4):
        await end_next(rooms)
    for batch in batches:
        assert {job.state for job in await jobs_of(rooms, batch)} == {JobState.COMPLETED}


async def test_who_follows_a_leader_that_is_refused_leads_instead() -> None:
    rooms = make_rooms(queue=SlowQueue(capacity=2))
    assert isinstance(rooms.queue, SlowQueue)
    leading = asyncio.create_task(submit(rooms, image(0)))
    following = asyncio.create_task(submit(rooms, image(0), NO_IMAGE))
    await turns(10)
    leading.cancel()
    await turns(10)
    rooms.queue.may_put.set()
    batch = await following
    states = [job.state for job in await jobs_of(rooms, batch)]
    assert states == [JobState.QUEUED, JobState.FAILED]
    assert rooms.queue.depth() == 1
    assert (await end_next(rooms)).id == batch.files[0].job_id


async def test_of_an_accepted_batch_a_file_may_still_fail_for_want_of_room() -> None:
    rooms = make_rooms(queue=SlowQueue(capacity=1))
    assert isinstance(rooms.queue, SlowQueue)
    refused = asyncio.create_task(submit(rooms, image(0), image(1)))
    await turns(10)
    accepted = asyncio.create_task(submit(rooms, image(2), image(1)))
    await turns(10)
    refused.cancel()
    rooms.queue.may_put.set()
    batch = await accepted
    own, followed = await jobs_of(rooms, batch)
    assert own.state is JobState.QUEUED
    assert followed.state is JobState.FAILED
    assert followed.error is not None
    assert followed.error.code == OverloadedError.code
    assert rooms.blobs.total_bytes() == len(image(2)) + len(image(1))
    assert rooms.figures.accepted == 2
