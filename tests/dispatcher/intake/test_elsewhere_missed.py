"""Ends of which nothing was heard, and a dispatcher that hears of none any more."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from dispatcher.errors import QueueUnavailableError
from dispatcher.intake.elsewhere import EndedElsewhere
from dispatcher.jobs import Job
from dispatcher.queues.base import QueueFullError
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake.submitting import submit
from tests.dispatcher.intake.test_elsewhere import NEVER_S, end, has_ended, run
from tests.dispatcher.records import completed
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns, until


@pytest.fixture
def rooms() -> Rooms:
    """Rooms in which many may wait; they end with the process."""
    return Rooms(queue=MemoryJobQueue(capacity=200))


def reads_of(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs that are read from now on."""
    read, asked = rooms.results.get, list[str]()

    async def get(job_id: str) -> Job:
        asked.append(job_id)
        return await read(job_id)

    monkeypatch.setattr(rooms.results, "get", get)
    return asked


def has_length(found: Sequence[str], length: int) -> bool:
    return len(found) == length


async def test_when_ends_may_have_been_missed_it_is_looked_at_once(rooms: Rooms) -> None:
    noted = EndedElsewhere(rooms.coalescing)
    running = asyncio.create_task(run(noted, rooms, look_every_s=NEVER_S))
    leader, follower = [await submit(rooms) for _ in range(2)]
    await end(rooms, completed(leader))
    await turns(20)
    assert rooms.coalescing.leaders() == [leader.id]

    noted.look_now()

    await has_ended(rooms, follower)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_those_whom_somebody_follows_are_looked_at_first_and_all_at_once(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.intake.elsewhere._A_LOOK", 1)
    leaders = [await submit(rooms, seed) for seed in range(20)]
    for seed in range(10, 20):
        await submit(rooms, seed)
    asked = reads_of(rooms, monkeypatch)
    noted = EndedElsewhere(rooms.coalescing)
    running = asyncio.create_task(run(noted, rooms, look_every_s=NEVER_S))

    noted.look_now()
    await until(lambda: len(asked) >= 10)
    await turns(20)

    assert asked[:10] == [leader.id for leader in leaders[10:]]
    assert len(asked) < 20, "of the others only some"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_however_many_nobody_follows_a_few_looks_see_all_of_them(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.intake.elsewhere._A_LOOK", 1)
    leaders = {(await submit(rooms, seed)).id for seed in range(60)}
    asked = reads_of(rooms, monkeypatch)
    noted = EndedElsewhere(rooms.coalescing)
    running = asyncio.create_task(run(noted, rooms, look_every_s=NEVER_S))

    for look in range(1, 7):
        noted.look_now()
        await until(partial(has_length, asked, 10 * look))

    assert set(asked) == leaders
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_leaves_gives_all_who_follow_here_a_place(rooms: Rooms) -> None:
    leaders = [await submit(rooms, seed) for seed in range(60)]
    followers = [await submit(rooms, seed) for seed in range(60)]

    await EndedElsewhere(rooms.coalescing).leave(rooms.queue)

    places = [rooms.queue.position(job.id) for job in (*leaders, *followers)]
    assert None not in places
    assert rooms.queue.depth() == 120


@pytest.mark.parametrize("error", [QueueUnavailableError, QueueFullError])
async def test_who_cannot_be_given_a_place_does_not_keep_one_from_leaving(
    rooms: Rooms,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Callable[[], Exception],
) -> None:
    async def put(jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        raise error()

    for _ in range(4):
        await submit(rooms)
    monkeypatch.setattr(rooms.queue, "put", put)

    await EndedElsewhere(rooms.coalescing).leave(rooms.queue)

    assert "3 jobs" in caplog.text


async def test_who_leaves_does_not_wait_for_a_queue_that_hangs(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.intake.elsewhere._LEAVE_WITHIN_S", 0.01)

    async def put(jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        await asyncio.Event().wait()
        return 0

    for _ in range(2):
        await submit(rooms)
    monkeypatch.setattr(rooms.queue, "put", put)

    async with asyncio.timeout(5.0):
        await EndedElsewhere(rooms.coalescing).leave(rooms.queue)


async def test_a_leader_that_is_just_being_accepted_is_not_taken_for_gone(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, put = asyncio.Event(), rooms.blobs.put

    async def put_slowly(digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        await may_go_on.wait()
        await put(digest, data, is_new_work=is_new_work)

    monkeypatch.setattr(rooms.blobs, "put", put_slowly)
    withdrawn: list[str] = []

    async def withdraw(job_id: str) -> bool:
        withdrawn.append(job_id)
        return False

    monkeypatch.setattr(rooms.queue, "withdraw", withdraw)
    noted = EndedElsewhere(rooms.coalescing)
    running = asyncio.create_task(run(noted, rooms, look_every_s=NEVER_S))
    accepting = asyncio.create_task(submit(rooms))
    await until(lambda: bool(rooms.coalescing.leaders()))

    noted.look_now()
    await turns(20)
    may_go_on.set()
    job = await accepting

    assert rooms.coalescing.leaders() == [job.id]
    assert withdrawn == rooms.stopped == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
