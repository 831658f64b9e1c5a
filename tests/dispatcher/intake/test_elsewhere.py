"""Jobs whose leaders another dispatcher has ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from dispatcher.errors import QueueUnavailableError, StorageUnavailableError
from dispatcher.intake.elsewhere import EndedElsewhere
from dispatcher.jobs import Job, JobState
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake.ending import state_of
from tests.dispatcher.intake.submitting import submit
from tests.dispatcher.records import completed, failed
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns, until

NEVER_S = 3600.0


class FailingQueue(MemoryJobQueue):
    """A queue whose server may be away."""

    is_away = False

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        if self.is_away:
            raise QueueUnavailableError
        return await super().put(jobs, is_admitted=is_admitted)


@pytest.fixture
def queue() -> FailingQueue:
    return FailingQueue(capacity=200)


@pytest.fixture
def rooms(queue: FailingQueue) -> Rooms:
    return Rooms(queue=queue)


@pytest.fixture
async def elsewhere(rooms: Rooms) -> AsyncIterator[EndedElsewhere]:
    """Settles what is heard of; nothing is looked at by itself."""
    noted = EndedElsewhere(rooms.coalescing)
    running = asyncio.create_task(run(noted, rooms, look_every_s=NEVER_S))
    yield noted
    assert not running.done(), "the loop never ends by itself"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def run(noted: EndedElsewhere, rooms: Rooms, *, look_every_s: float) -> None:
    await noted.run(
        queue=rooms.queue,
        results=rooms.results,
        endings=rooms.endings,
        blobs=rooms.blobs,
        look_every_s=look_every_s,
    )


async def take_away(rooms: Rooms, job: Job) -> None:
    """Have another dispatcher take a job off the queue."""
    lease = await rooms.next_lease()
    assert lease.job_id == job.id
    await rooms.queue.ack(lease)


async def end(rooms: Rooms, ended: Job, *noted: EndedElsewhere) -> None:
    """Have another dispatcher end a job, and this one hear of it."""
    assert await rooms.results.save(ended)
    for one in noted:
        one.note(ended.id)


async def has_ended(rooms: Rooms, *jobs: Job) -> None:
    for job in jobs:
        assert (await rooms.results.wait(job.id, timeout_s=5.0)).state.is_terminal


@pytest.mark.parametrize("make", [completed, failed])
async def test_followers_end_like_the_leader_that_was_worked_on_elsewhere(
    rooms: Rooms, elsewhere: EndedElsewhere, make: object
) -> None:
    leader, first, second = [await submit(rooms) for _ in range(3)]
    assert callable(make)
    ended = make(leader)

    await end(rooms, ended, elsewhere)
    await has_ended(rooms, first, second)

    for follower in (first, second):
        found = await rooms.results.get(follower.id)
        assert (found.state, found.result, found.error) == (ended.state, ended.result, ended.error)
        assert found.coalesced
    assert rooms.coalescing.leaders() == []


async def test_who_comes_after_the_end_follows_nobody(
    rooms: Rooms, elsewhere: EndedElsewhere
) -> None:
    leader = await submit(rooms)
    await end(rooms, failed(leader), elsewhere)
    await until(lambda: not rooms.coalescing.leaders())

    job = await submit(rooms)

    assert not job.coalesced
    assert rooms.coalescing.leaders() == [job.id]


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_a_follower_takes_the_place_of_a_leader_that_left(
    rooms: Rooms, elsewhere: EndedElsewhere, how: str
) -> None:
    leader, first, second = [await submit(rooms) for _ in range(3)]
    await take_away(rooms, leader)

    await end(
        rooms,
        leader.cancelled(time.time()) if how == "cancelled" else leader.expired(time.time()),
        elsewhere,
    )
    await until(lambda: rooms.coalescing.leaders() == [first.id])

    assert rooms.queue.position(first.id) == 0
    assert await state_of(rooms, first) is JobState.QUEUED
    third = await submit(rooms)
    assert third.coalesced, "the work goes on"
    await rooms.complete_next()
    for job in (first, second, third):
        assert await state_of(rooms, job) is JobState.COMPLETED


async def test_a_leader_that_left_while_it_waited_waits_no_more(
    rooms: Rooms, elsewhere: EndedElsewhere
) -> None:
    leader, follower = [await submit(rooms) for _ in range(2)]

    await end(rooms, leader.cancelled(time.time()), elsewhere)
    await until(lambda: rooms.coalescing.leaders() == [follower.id])

    await until(lambda: rooms.queue.position(leader.id) is None)
    assert rooms.queue.position(follower.id) == 0


async def test_a_leader_that_left_while_it_was_in_work_is_not_stopped(
    rooms: Rooms, elsewhere: EndedElsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is about to find out may answer those that are linked to it."""
    withdrawn: list[str] = []

    async def withdraw(job_id: str) -> bool:
        withdrawn.append(job_id)
        return False

    leader, follower = [await submit(rooms) for _ in range(2)]
    await take_away(rooms, leader)
    monkeypatch.setattr(rooms.queue, "withdraw", withdraw)

    await end(rooms, leader.started(time.time()).cancelled(time.time()), elsewhere)
    await until(lambda: rooms.coalescing.leaders() == [follower.id])
    await turns(20)

    assert withdrawn == []


async def test_the_place_of_a_leader_that_is_no_longer_kept_is_taken_likewise(
    rooms: Rooms, elsewhere: EndedElsewhere
) -> None:
    leader, follower = [await submit(rooms) for _ in range(2)]
    await rooms.results.discard(leader.id)

    elsewhere.note(leader.id)

    await until(lambda: rooms.coalescing.leaders() == [follower.id])


async def test_a_follower_that_has_ended_takes_no_place(
    rooms: Rooms, elsewhere: EndedElsewhere
) -> None:
    leader, first, second = [await submit(rooms) for _ in range(3)]
    await take_away(rooms, leader)
    await end(rooms, first.cancelled(time.time()))

    await end(rooms, leader.cancelled(time.time()), elsewhere)

    await until(lambda: rooms.coalescing.leaders() == [second.id])
    assert rooms.queue.depth() == 1


async def test_a_leader_that_left_alone_leaves_no_flight(
    rooms: Rooms, elsewhere: EndedElsewhere
) -> None:
    leader = await submit(rooms)

    await end(rooms, leader.cancelled(time.time()), elsewhere)

    await until(lambda: not rooms.coalescing.leaders())
    assert rooms.queue.depth() == 0, "nobody wants the work"


async def test_while_the_queue_is_away_followers_keep_following(
    rooms: Rooms, queue: FailingQueue, elsewhere: EndedElsewhere
) -> None:
    leader, first, second = [await submit(rooms) for _ in range(3)]
    await take_away(rooms, leader)
    queue.is_away = True
    await end(rooms, leader.cancelled(time.time()), elsewhere)
    await turns(20)
    assert rooms.coalescing.leaders() == [leader.id]

    queue.is_away = False
    elsewhere.note(leader.id)

    await until(lambda: rooms.coalescing.leaders() == [first.id])
    await rooms.complete_next()
    assert await state_of(rooms, second) is JobState.COMPLETED


async def test_a_job_that_still_runs_is_left_alone(rooms: Rooms, elsewhere: EndedElsewhere) -> None:
    leader, follower = [await submit(rooms) for _ in range(2)]

    elsewhere.note(leader.id)
    await turns(20)

    assert rooms.coalescing.leaders() == [leader.id]
    assert await state_of(rooms, follower) is JobState.QUEUED


async def test_ends_that_nobody_here_waits_for_are_not_looked_at(
    rooms: Rooms, elsewhere: EndedElsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def get(job_id: str) -> Job:
        asked.append(job_id)
        raise StorageUnavailableError

    monkeypatch.setattr(rooms.results, "get", get)
    elsewhere.note("somebody else's")
    await turns(20)

    assert asked == []


async def test_an_end_that_was_not_heard_is_found_by_looking(rooms: Rooms) -> None:
    noted = EndedElsewhere(rooms.coalescing)
    leader, follower = [await submit(rooms) for _ in range(2)]
    await end(rooms, completed(leader))

    running = asyncio.create_task(run(noted, rooms, look_every_s=0.001))
    await has_ended(rooms, follower)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_cannot_be_read_now_is_looked_at_again(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = EndedElsewhere(rooms.coalescing)
    leader, follower = [await submit(rooms) for _ in range(2)]
    await end(rooms, completed(leader))
    read = rooms.results.get
    failures = [StorageUnavailableError(), RuntimeError("broken"), StorageUnavailableError()]

    async def get(job_id: str) -> Job:
        if failures:
            raise failures.pop()
        return await read(job_id)

    monkeypatch.setattr(rooms.results, "get", get)
    running = asyncio.create_task(run(noted, rooms, look_every_s=0.001))
    noted.note(leader.id)
    await until(lambda: not rooms.coalescing.leaders())

    monkeypatch.undo()
    await has_ended(rooms, follower)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_all_flights_are_looked_at_in_turn(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.intake.elsewhere._A_LOOK", 2)
    leaders = [await submit(rooms, seed) for seed in range(5)]
    await end(rooms, completed(leaders[4]))

    running = asyncio.create_task(run(EndedElsewhere(rooms.coalescing), rooms, look_every_s=0.001))
    await until(lambda: rooms.coalescing.leaders() == [leader.id for leader in leaders[:4]])

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_hundreds_of_ends_at_once_are_all_settled(
    rooms: Rooms, elsewhere: EndedElsewhere
) -> None:
    pairs = [(await submit(rooms, seed), await submit(rooms, seed)) for seed in range(120)]

    for leader, _ in pairs:
        await end(rooms, completed(leader), elsewhere)

    await has_ended(rooms, *(follower for _, follower in pairs))
