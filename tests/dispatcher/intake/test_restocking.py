"""Accepted jobs that nobody knows any more."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import pytest

from dispatcher.errors import QueueUnavailableError, ResultsUnavailableError
from dispatcher.intake.restocking import Restocking
from dispatcher.jobs import Job, JobState
from dispatcher.queues.base import CLOCKS_DIFFER_S
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake.ending import state_of
from tests.dispatcher.records import make_job
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns, until

NEVER_S = 3600.0
OFTEN_S = 0.001
OLD_S = 30.0


class Accepted:
    """What all dispatchers have accepted, and what is known of it."""

    def __init__(self, queue: MemoryJobQueue) -> None:
        self.queue = queue
        self.jobs: dict[str, Job] = {}
        self.ages_s: dict[str, float] = {}
        self.elsewhere: set[str] = set()
        """Known to other dispatchers."""
        self.is_leading = True
        self.looks: list[float] = []
        """For each look how old a job had to be."""
        self.asked = 0
        self.failures: list[Exception] = []

    def add(self, job: Job, *, age_s: float = 2 * OLD_S) -> Job:
        self.jobs[job.id], self.ages_s[job.id] = job, age_s
        return job

    async def try_lead(self, duty: str, *, for_s: float) -> bool:
        return self.is_leading or duty != "restocking"

    async def open_ids(self, *, older_than_s: float) -> AsyncIterator[str]:
        self.looks.append(older_than_s)
        for job_id in list(self.jobs):
            if self.ages_s[job_id] > older_than_s:
                yield job_id

    async def open_job(self, job_id: str) -> Job | None:
        return self.jobs.get(job_id)

    async def known(self, job_ids: Collection[str]) -> set[str]:
        self.asked += len(job_ids)
        if self.failures:
            raise self.failures.pop()
        waiting = {job_id for job_id in job_ids if self.queue.position(job_id) is not None}
        return waiting | self.elsewhere & set(job_ids)


@pytest.fixture
def queue() -> MemoryJobQueue:
    return MemoryJobQueue(capacity=1)


@pytest.fixture
def rooms(queue: MemoryJobQueue) -> Rooms:
    return Rooms(queue=queue)


@pytest.fixture
def accepted(queue: MemoryJobQueue) -> Accepted:
    return Accepted(queue)


@asynccontextmanager
async def restocking(
    accepted: Accepted,
    rooms: Rooms,
    *,
    look_every_s: float = OFTEN_S,
    hurried_look_every_s: float = OFTEN_S,
    on_restocked: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[Restocking]:
    """Look and queue for the length of the block."""
    restocking = Restocking(
        accepted,
        queue=rooms.queue,
        endings=rooms.endings,
        on_restocked=on_restocked,
        look_every_s=look_every_s,
        old_enough_s=OLD_S,
        hurried_look_every_s=hurried_look_every_s,
    )
    running = asyncio.create_task(restocking.run())
    yield restocking
    assert not running.done(), "the loop never ends by itself"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def looks(accepted: Accepted, *, more: int) -> Callable[[], bool]:
    """A condition: it was looked so often from now on."""
    so_far = len(accepted.looks)
    return lambda: len(accepted.looks) >= so_far + more


async def test_what_nobody_knows_is_queued_again_and_counted(
    accepted: Accepted, rooms: Rooms
) -> None:
    lost = [accepted.add(make_job(name)) for name in ("1", "2")]
    counted: list[int] = []

    async with restocking(accepted, rooms, on_restocked=counted.append):
        await until(lambda: rooms.queue.depth() == 2)
        await until(looks(accepted, more=3))

    assert [rooms.queue.position(job.id) for job in lost] == [0, 1]
    assert rooms.queue.depth() == 2, "now they are known"
    assert sum(counted) == 2


async def test_what_somebody_knows_and_what_is_young_stays_where_it_is(
    accepted: Accepted, rooms: Rooms
) -> None:
    accepted.elsewhere.add(accepted.add(make_job("1")).id)
    accepted.add(make_job("2"), age_s=OLD_S / 2)

    async with restocking(accepted, rooms):
        await until(looks(accepted, more=3))

    assert rooms.queue.depth() == 0


async def test_followers_that_are_linked_everywhere_from_now_on_had_lost_nothing(
    accepted: Accepted, rooms: Rooms
) -> None:
    accepted.add(make_job("1", coalesced=True))
    counted: list[int] = []

    async with restocking(accepted, rooms, on_restocked=counted.append):
        await until(lambda: rooms.queue.depth() == 1)

    assert sum(counted) == 0


async def test_a_job_that_has_ended_meanwhile_is_not_queued(
    accepted: Accepted, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted.add(make_job("1"))

    async def ended(_: str) -> None:
        return None

    monkeypatch.setattr(accepted, "open_job", ended)
    async with restocking(accepted, rooms):
        await until(looks(accepted, more=3))

    assert rooms.queue.depth() == 0


async def test_a_job_whose_deadline_has_passed_ends(accepted: Accepted, rooms: Rooms) -> None:
    queued_at = time.time() - 61.0 - CLOCKS_DIFFER_S
    job = accepted.add(make_job("1", queued_at=queued_at, deadline_s=60.0))
    await rooms.results.add(job)

    async with restocking(accepted, rooms):
        ended = await rooms.results.wait(job.id, timeout_s=5.0)

    assert ended.state is JobState.EXPIRED
    assert rooms.queue.depth() == 0


async def test_a_job_whose_deadline_may_be_ahead_is_queued(
    accepted: Accepted, rooms: Rooms
) -> None:
    # By this clock it has passed, but perhaps not by that of the dispatcher that accepted it.
    queued_at = time.time() - 55.0 - CLOCKS_DIFFER_S
    job = accepted.add(make_job("1", queued_at=queued_at, deadline_s=60.0))
    await rooms.results.add(job)

    async with restocking(accepted, rooms):
        await until(lambda: rooms.queue.depth() == 1)

    assert await state_of(rooms, job) is JobState.QUEUED


async def test_one_dispatcher_at_a_time_looks(accepted: Accepted, rooms: Rooms) -> None:
    accepted.add(make_job("1"))
    accepted.is_leading = False

    async with restocking(accepted, rooms):
        await turns(100)
        assert accepted.looks == []
        accepted.is_leading = True
        await until(lambda: rooms.queue.depth() == 1)


async def test_who_sees_a_loss_looks_whosever_duty_it_is(accepted: Accepted, rooms: Rooms) -> None:
    accepted.add(make_job("1"), age_s=OLD_S / 2)
    accepted.is_leading = False

    async with restocking(accepted, rooms) as loop:
        await turns(100)
        assert accepted.looks == []
        loop.hurry()
        await until(lambda: rooms.queue.depth() == 1)


@pytest.mark.parametrize("error", [ResultsUnavailableError(), RuntimeError("broken")])
async def test_nothing_is_queued_while_it_cannot_be_told_what_is_known(
    accepted: Accepted, rooms: Rooms, error: Exception
) -> None:
    accepted.add(make_job("1"))
    accepted.failures = [error, error]

    async with restocking(accepted, rooms):
        await until(lambda: not accepted.failures)
        await until(lambda: rooms.queue.depth() == 1)

    assert len(accepted.looks) > 2, "the loop goes on"


async def test_a_queue_that_is_away_is_tried_again(
    accepted: Accepted, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted.add(make_job("1"))
    put, failures = rooms.queue.put, [QueueUnavailableError(), QueueUnavailableError()]

    async def failing_put(jobs: list[Job], *, is_admitted: bool = False) -> int:
        if failures:
            raise failures.pop()
        return await put(jobs, is_admitted=is_admitted)

    monkeypatch.setattr(rooms.queue, "put", failing_put)
    async with restocking(accepted, rooms):
        await until(lambda: rooms.queue.depth() == 1)


async def test_thousands_of_open_jobs_are_asked_about_in_pages(
    accepted: Accepted, rooms: Rooms
) -> None:
    for number in range(1700):
        job = accepted.add(make_job(str(number)))
        if number % 100:
            accepted.elsewhere.add(job.id)

    async with restocking(accepted, rooms, look_every_s=NEVER_S) as loop:
        loop.hurry()
        await until(lambda: rooms.queue.depth() == 17)

    assert accepted.asked >= 1700


async def test_what_was_lost_just_now_is_looked_for_at_once_and_for_as_long_as_it_is_young(
    accepted: Accepted, rooms: Rooms
) -> None:
    accepted.add(make_job("1"), age_s=OLD_S / 2)

    async with restocking(accepted, rooms, look_every_s=NEVER_S) as loop:
        await turns(20)
        assert accepted.looks == []
        loop.hurry()
        await until(lambda: rooms.queue.depth() == 1)
        accepted.add(make_job("2"), age_s=OLD_S / 2)  # it was being queued at the first look
        await until(lambda: rooms.queue.depth() == 2)

    assert set(accepted.looks) == {OFTEN_S}
