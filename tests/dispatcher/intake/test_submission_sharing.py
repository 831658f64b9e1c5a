import asyncio

from dispatcher.errors import (
    OverloadedError,
)
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import JobState
from dispatcher.telemetry.figures import CacheOutcome
from tests.dispatcher.intake.submitting import (
    ANEW,
    DEFAULT,
    SlowQueue,
    submit,
    upload,
)
from tests.dispatcher.records import completed, failed, make_pipeline, make_stage
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns

# Answering from the cache


async def test_the_same_image_is_answered_from_the_cache(rooms: Rooms) -> None:
    first = await submit(rooms)
    ended = await rooms.complete_next()
    again = await rooms.intake.submit(upload(filename="other.png"), DEFAULT)
    assert again.id != first.id
    assert (again.state, again.from_cache, again.filename) == (
        JobState.COMPLETED,
        True,
        "other.png",
    )
    assert again.result == ended.result
    assert await rooms.results.get(again.id) == again
    assert (rooms.queue.depth(), rooms.queue.leased()) == (0, 0)
    assert rooms.figures.cache[CacheOutcome.HIT] == 1


async def test_another_image_is_not(rooms: Rooms) -> None:
    await submit(rooms, 1)
    await rooms.complete_next()
    assert not (await submit(rooms, 2)).from_cache


async def test_other_params_are_not(rooms: Rooms) -> None:
    await submit(rooms)
    await rooms.complete_next()
    other = SubmitOptions(params='{"classifier": {"top_k": 3}}')
    assert not (await submit(rooms, options=other)).from_cache
    await rooms.complete_next()
    same = SubmitOptions(params='{"0": {"top_k": 3.0}}')
    assert (await submit(rooms, options=same)).from_cache


async def test_a_new_revision_never_serves_an_old_answer(rooms: Rooms) -> None:
    await submit(rooms)
    await rooms.complete_next()
    rooms.pipelines.replace([make_pipeline(make_stage(revision="r2"))])
    assert not (await submit(rooms)).from_cache


async def test_an_answer_of_another_revision_than_expected_is_not_kept(rooms: Rooms) -> None:
    job = await submit(rooms)
    await rooms.end(completed(job, revision="r2"))
    assert len(rooms.cache) == 0
    assert not (await submit(rooms)).from_cache


async def test_a_bad_result_is_never_kept(rooms: Rooms) -> None:
    job = await submit(rooms)
    await rooms.end(failed(job))
    assert len(rooms.cache) == 0
    assert not (await submit(rooms)).from_cache


async def test_a_result_is_not_kept_while_the_revision_is_unknown(rooms: Rooms) -> None:
    rooms.pipelines.replace([make_pipeline(make_stage(revision=""))])
    job = await submit(rooms)
    assert job.result_key is None
    await rooms.end(completed(job))
    assert len(rooms.cache) == 0


async def test_who_wants_it_computed_anew_gets_that(rooms: Rooms) -> None:
    await submit(rooms)
    await rooms.complete_next()
    for _ in range(2):
        assert (await submit(rooms, options=ANEW)).state is JobState.QUEUED
    assert rooms.queue.depth() == 2
    assert rooms.figures.cache[CacheOutcome.BYPASS] == 2


# Joining identical work in flight


async def test_identical_images_in_flight_are_computed_once(rooms: Rooms) -> None:
    leader = await submit(rooms)
    followers = [await rooms.intake.submit(upload(filename=f"{n}.png"), DEFAULT) for n in range(5)]
    assert rooms.queue.depth() == 1
    assert all(follower.coalesced for follower in followers)
    states = {(await rooms.results.get(follower.id)).state for follower in followers}
    assert states == {JobState.QUEUED}
    ended = await rooms.complete_next()
    assert ended.id == leader.id
    for number, follower in enumerate(followers):
        settled = await rooms.results.get(follower.id)
        assert (settled.state, settled.result) == (JobState.COMPLETED, ended.result)
        assert (settled.filename, settled.coalesced) == (f"{number}.png", True)
    assert rooms.figures.cache[CacheOutcome.COALESCED] == 5
    assert rooms.figures.ended[JobState.COMPLETED] == 6


async def test_of_any_number_that_come_together_exactly_one_leads(rooms: Rooms) -> None:
    jobs = await asyncio.gather(*(submit(rooms) for _ in range(100)))
    assert sum(not job.coalesced for job in jobs) == 1
    assert rooms.queue.depth() == 1
    await rooms.complete_next()
    states = {(await rooms.results.get(job.id)).state for job in jobs}
    assert states == {JobState.COMPLETED}
    assert rooms.blobs.total_bytes() == 0


async def test_followers_do_not_count_against_the_capacity(rooms: Rooms) -> None:
    await submit(rooms, 0)
    for _ in range(10 * rooms.queue.capacity):
        await submit(rooms, 0)
    assert rooms.queue.depth() == 1


async def test_followers_share_the_failure_of_their_leader(rooms: Rooms) -> None:
    leader, follower = await submit(rooms), await submit(rooms)
    await rooms.end(failed(leader, "image_corrupt"))
    settled = await rooms.results.get(follower.id)
    assert settled.state is JobState.FAILED
    assert settled.error is not None
    assert settled.error.code == "image_corrupt"


async def test_other_work_is_not_joined(rooms: Rooms) -> None:
    await submit(rooms, 0)
    await submit(rooms, 1)
    await submit(rooms, 0, SubmitOptions(params='{"classifier": {"top_k": 3}}'))
    assert rooms.queue.depth() == 3


async def test_work_of_a_pipeline_that_changed_is_not_joined(rooms: Rooms) -> None:
    await submit(rooms)
    rooms.pipelines.replace([make_pipeline(make_stage(params={"top_k": 3}))])
    assert not (await submit(rooms)).coalesced


async def test_who_wants_it_computed_anew_joins_nobody_and_leads_nobody(rooms: Rooms) -> None:
    await submit(rooms, options=ANEW)
    assert not (await submit(rooms)).coalesced
    assert not (await submit(rooms, options=ANEW)).coalesced
    assert rooms.queue.depth() == 3


async def test_someone_who_waits_for_a_follower_is_woken_with_it(rooms: Rooms) -> None:
    await submit(rooms)
    follower = await submit(rooms)
    waiting = asyncio.create_task(rooms.results.wait(follower.id, timeout_s=30))
    await turns(3)
    await rooms.complete_next()
    async with asyncio.timeout(5):
        assert (await waiting).state is JobState.COMPLETED


async def test_a_follower_is_accepted_only_with_its_leader() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=3))
    assert isinstance(rooms.queue, SlowQueue)
    racing = [asyncio.create_task(submit(rooms)) for _ in range(3)]
    await turns(10)
    assert not any(task.done() for task in racing)
    rooms.queue.may_put.set()
    jobs = await asyncio.gather(*racing)
    assert [job.coalesced for job in jobs] == [False, True, True]
    await rooms.complete_next()
    assert {(await rooms.results.get(job.id)).state for job in jobs} == {JobState.COMPLETED}


async def test_followers_of_a_leader_that_is_refused_are_refused_too() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=1))
    assert isinstance(rooms.queue, SlowQueue)
    first = asyncio.create_task(submit(rooms, 0))
    racing = [asyncio.create_task(submit(rooms, 1)) for _ in range(3)]
    await turns(10)
    rooms.queue.may_put.set()
    await first
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OverloadedError] * 3
    assert rooms.results.count() == rooms.queue.depth() == 1


async def test_a_follower_whose_leader_ended_at_once_is_ended_too() -> None:
    rooms = Rooms(queue=SlowQueue(capacity=3))
    assert isinstance(rooms.queue, SlowQueue)
    leading = asyncio.create_task(submit(rooms))
    following = asyncio.create_task(submit(rooms))
    await turns(10)
    consuming = asyncio.create_task(rooms.complete_next())
    await turns(3)
    rooms.queue.may_put.set()
    _, follower, _ = await asyncio.gather(leading, following, consuming)
    assert (await rooms.results.get(follower.id)).state is JobState.COMPLETED
