"""Jobs that end before their work does, and those who wait for the same work."""

import asyncio

import pytest

from dispatcher.errors import AlreadyEndedError, NotFoundError
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import JobState
from tests.dispatcher.intake.ending import OUTPUT, outcome, state_of, take
from tests.dispatcher.intake.submitting import ANEW, SlowQueue, submit
from tests.dispatcher.records import completed, failed
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns, until

WITH_DEADLINE = SubmitOptions(deadline_s=60.0)


# Alone


async def test_a_job_that_waits_leaves_the_queue_at_once(rooms: Rooms) -> None:
    job = await submit(rooms)
    cancelled = await rooms.endings.cancel(job)
    assert cancelled.state is await state_of(rooms, job) is JobState.CANCELLED
    assert (rooms.queue.depth(), rooms.stopped) == (0, [])
    assert rooms.figures.ended[JobState.CANCELLED] == 1
    assert rooms.blobs.total_bytes() == 0, "nobody needs its image"


async def test_the_work_on_a_job_in_hand_is_stopped(rooms: Rooms) -> None:
    job = await submit(rooms)
    await take(rooms)
    await rooms.endings.cancel(await rooms.results.get(job.id))
    assert rooms.stopped == [job.id]
    assert rooms.blobs.total_bytes() == 0
    assert (await rooms.results.get(job.id)).started_at is not None


@pytest.mark.parametrize("options", [SubmitOptions(), ANEW], ids=["shared", "alone"])
async def test_a_job_ends_once(rooms: Rooms, options: SubmitOptions) -> None:
    job = await submit(rooms, options=options)
    await rooms.endings.cancel(job)
    for again in (job, await rooms.results.get(job.id)):
        with pytest.raises(AlreadyEndedError):
            await rooms.endings.cancel(again)
    await rooms.endings.expire(job.id)
    assert await state_of(rooms, job) is JobState.CANCELLED
    assert rooms.figures.ended[JobState.CANCELLED] == sum(rooms.figures.ended.values()) == 1


@pytest.mark.parametrize("make", [completed, failed])
async def test_a_job_that_has_its_outcome_cannot_be_cancelled(rooms: Rooms, make: object) -> None:
    job = await submit(rooms)
    assert callable(make)
    ended = make(job)
    await rooms.end(ended)
    with pytest.raises(AlreadyEndedError):
        await rooms.endings.cancel(job)
    assert await rooms.results.get(job.id) == ended


async def test_who_asks_anew_after_a_cancelled_job_leads_anew(rooms: Rooms) -> None:
    await rooms.endings.cancel(await submit(rooms))
    again = await submit(rooms)
    assert not again.coalesced
    await rooms.complete_next()
    assert await state_of(rooms, again) is JobState.COMPLETED


async def test_an_outcome_that_came_too_late_holds_nothing_but_is_remembered(rooms: Rooms) -> None:
    job = await submit(rooms)
    await take(rooms)
    await rooms.endings.cancel(await rooms.results.get(job.id))
    await outcome(rooms, job, with_picture=True)
    assert (await submit(rooms)).from_cache, "good work is not thrown away"


async def test_a_job_that_is_not_accepted_yet_cannot_be_cancelled() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=3))
    assert isinstance(rooms.queue, SlowQueue)
    submitting = asyncio.create_task(submit(rooms))
    await turns(10)
    (listed,) = await rooms.results.list_jobs(tenant="")
    with pytest.raises(NotFoundError):
        await rooms.endings.cancel(listed)
    rooms.queue.may_put.set()
    job = await submitting
    await rooms.endings.cancel(job)
    assert rooms.blobs.total_bytes() == 0


# Deadlines


async def test_a_job_whose_deadline_has_passed_is_never_run(rooms: Rooms) -> None:
    job = await submit(rooms, options=WITH_DEADLINE)
    assert rooms.deadlines.count() == 1
    await rooms.endings.expire(job.id)
    assert await state_of(rooms, job) is JobState.EXPIRED
    assert (rooms.queue.depth(), rooms.deadlines.count()) == (0, 0)
    assert rooms.figures.ended[JobState.EXPIRED] == 1


async def test_a_deadline_of_a_job_that_is_not_kept_any_more_is_nothing(rooms: Rooms) -> None:
    await rooms.endings.expire("never seen")
    assert sum(rooms.figures.ended.values()) == 0


async def test_no_deadline_is_minded_for_longer_than_its_job_lives(rooms: Rooms) -> None:
    jobs = [await submit(rooms, options=WITH_DEADLINE) for _ in range(3)]
    assert rooms.deadlines.count() == 3
    await rooms.endings.cancel(jobs[2])
    assert rooms.deadlines.count() == 2
    await rooms.complete_next()
    assert rooms.deadlines.count() == 0


async def test_a_hit_with_a_deadline_just_completes(rooms: Rooms) -> None:
    await submit(rooms)
    await rooms.complete_next()
    hit = await submit(rooms, options=SubmitOptions(deadline_s=0.0))
    assert (hit.from_cache, rooms.deadlines.count()) == (True, 0)


async def test_followers_with_more_time_outlive_their_leader(rooms: Rooms) -> None:
    leader = await submit(rooms, options=SubmitOptions(deadline_s=1.0))
    follower = await submit(rooms, options=WITH_DEADLINE)
    await rooms.endings.expire(leader.id)
    assert rooms.queue.depth() == 1, "the work is still wanted"
    await outcome(rooms, await take(rooms))
    assert await state_of(rooms, leader) is JobState.EXPIRED
    assert await state_of(rooms, follower) is JobState.COMPLETED


# In company


async def test_the_work_of_a_cancelled_leader_is_done_for_those_who_follow(rooms: Rooms) -> None:
    leader, one, two = [await submit(rooms) for _ in range(3)]
    await rooms.endings.cancel(leader)
    assert (rooms.queue.depth(), rooms.stopped) == (1, []), "its place is theirs now"
    job = await take(rooms)
    assert job.id == leader.id
    assert rooms.coalescing.claim(leader.id)
    ended = await outcome(rooms, job, with_picture=True)
    for follower in (one, two):
        settled = await rooms.results.get(follower.id)
        assert (settled.state, settled.result) == (JobState.COMPLETED, ended.result)
    assert await state_of(rooms, leader) is JobState.CANCELLED
    assert (await submit(rooms)).from_cache
    assert await rooms.blobs.get(OUTPUT.digest) == b"picture"


async def test_so_it_is_when_the_leader_is_cancelled_in_the_middle_of_it(rooms: Rooms) -> None:
    leader, follower = [await submit(rooms) for _ in range(2)]
    job = await take(rooms)
    await rooms.endings.cancel(await rooms.results.get(leader.id))
    assert rooms.stopped == []
    await outcome(rooms, job)
    assert await state_of(rooms, follower) is JobState.COMPLETED


async def test_a_failure_of_such_work_is_theirs_too(rooms: Rooms) -> None:
    leader, follower = [await submit(rooms) for _ in range(2)]
    await rooms.endings.cancel(leader)
    ended = failed(await take(rooms))
    await rooms.endings.settle(ended, is_kept=await rooms.results.save(ended))
    assert await state_of(rooms, follower) is JobState.FAILED
    assert await state_of(rooms, leader) is JobState.CANCELLED
    settled = await rooms.results.get(follower.id)
    assert await rooms.blobs.get(settled.digest), "to repeat it"
    await rooms.blobs.release(settled.digest)
    assert rooms.blobs.total_bytes() == 0, "one hold is left, the follower's"


async def test_a_cancelled_follower_just_leaves(rooms: Rooms) -> None:
    leader, one, two = [await submit(rooms) for _ in range(3)]
    await rooms.endings.cancel(one)
    assert (rooms.queue.depth(), rooms.stopped) == (1, [])
    await rooms.complete_next()
    states = [await state_of(rooms, job) for job in (leader, one, two)]
    assert states == [JobState.COMPLETED, JobState.CANCELLED, JobState.COMPLETED]
    assert rooms.blobs.total_bytes() == 0


@pytest.mark.parametrize("is_in_hand", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
async def test_when_the_last_one_has_gone_the_work_stops(
    rooms: Rooms, order: tuple[int, ...], is_in_hand: bool
) -> None:
    jobs = [await submit(rooms) for _ in range(3)]
    if is_in_hand:
        await take(rooms)
    for number in order:
        assert rooms.stopped == []
        await rooms.endings.cancel(await rooms.results.get(jobs[number].id))
    assert rooms.stopped == ([jobs[0].id] if is_in_hand else [])
    assert rooms.queue.depth() == 0
    assert rooms.blobs.total_bytes() == 0
    assert rooms.coalescing.find(jobs[0].work_key) is None
    assert not rooms.coalescing.claim(jobs[0].id)


async def test_who_comes_after_the_leader_has_gone_may_still_join(rooms: Rooms) -> None:
    leader, _ = [await submit(rooms) for _ in range(2)]
    await rooms.endings.cancel(leader)
    late = await submit(rooms)
    assert late.coalesced
    await outcome(rooms, await take(rooms))
    assert await state_of(rooms, late) is JobState.COMPLETED
    assert rooms.blobs.total_bytes() == 0


async def test_who_is_about_to_follow_keeps_the_work_alive() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=3))
    assert isinstance(rooms.queue, SlowQueue)
    leading = asyncio.create_task(submit(rooms))
    following = asyncio.create_task(submit(rooms))
    await turns(10)
    (listed,) = await rooms.results.list_jobs(tenant="")
    rooms.queue.may_put.set()
    await until(rooms.queue.depth)
    await rooms.endings.expire(listed.id)
    _, follower = await asyncio.gather(leading, following)
    assert rooms.queue.depth() == 1
    await outcome(rooms, await take(rooms))
    assert await state_of(rooms, follower) is JobState.COMPLETED
    assert rooms.blobs.total_bytes() == 0


async def test_one_who_gives_up_joining_ends_work_that_nobody_else_wants() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=3))
    assert isinstance(rooms.queue, SlowQueue)
    rooms.queue.may_put.set()
    leader = await submit(rooms)
    flight = rooms.coalescing.find(leader.work_key)
    assert flight is not None
    with flight.being_joined():
        await rooms.endings.cancel(leader)
        assert rooms.queue.depth() == 1
    await rooms.endings.close(flight)
    assert (rooms.queue.depth(), rooms.blobs.total_bytes()) == (0, 0)
