"""Jobs without a place of which some cannot be read, or queued: the others are, all the same."""

from collections import Counter
from collections.abc import Sequence

import pytest

from dispatcher.errors import QueueUnavailableError, StorageUnavailableError
from dispatcher.jobs import Job
from dispatcher.queues.base import QueueFullError
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake.test_restocking import (
    NEVER_S,
    Accepted,
    looks,
    restocking,
)
from tests.dispatcher.records import make_job
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns, until


class FailingQueue(MemoryJobQueue):
    """A queue of which some lanes refuse what is put in, and which counts that."""

    def __init__(self) -> None:
        super().__init__(capacity=10_000)
        self.errors: dict[str, Exception] = {}
        """By lane."""
        self.puts: Counter[str] = Counter()
        """By job."""

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        self.puts.update(job.id for job in jobs)
        for job in jobs:
            if job.pipeline_id in self.errors:
                raise self.errors[job.pipeline_id]
        return await super().put(jobs, is_admitted=is_admitted)


@pytest.fixture
def queue() -> FailingQueue:
    return FailingQueue()


@pytest.fixture
def rooms(queue: FailingQueue) -> Rooms:
    return Rooms(queue=queue)


@pytest.fixture
def accepted(queue: FailingQueue) -> Accepted:
    return Accepted(queue)


@pytest.mark.parametrize("error", [StorageUnavailableError(), RuntimeError("unreadable")])
async def test_a_job_that_cannot_be_read_keeps_back_no_other(
    accepted: Accepted, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for number in range(40):
        accepted.add(make_job(str(number)))
    read = accepted.open_job

    async def open_job(job_id: str) -> Job | None:
        if job_id == "0":
            raise error
        return await read(job_id)

    monkeypatch.setattr(accepted, "open_job", open_job)
    async with restocking(accepted, rooms):
        await until(lambda: rooms.queue.depth() == 39)
        await until(looks(accepted, more=3))

    assert rooms.queue.position("0") is None


@pytest.mark.parametrize(
    "error", [QueueFullError(), QueueUnavailableError(), RuntimeError("broken")]
)
async def test_a_lane_that_refuses_keeps_back_no_other_and_nothing_is_queued_twice(
    accepted: Accepted, rooms: Rooms, queue: FailingQueue, error: Exception
) -> None:
    queue.errors["sick"] = error
    for number in range(40):
        lane = "default" if number % 2 else "sick"
        accepted.add(make_job(str(number), pipeline_id=lane))
    counted: list[int] = []

    async with restocking(accepted, rooms, on_restocked=counted.append):
        await until(lambda: rooms.queue.depth() == 20)
        await until(looks(accepted, more=3))
        assert {queue.puts[str(number)] for number in range(1, 40, 2)} == {1}
        queue.errors.clear()
        await until(lambda: rooms.queue.depth() == 40)

    assert sum(counted) == 40


async def test_a_lane_that_goes_on_refusing_is_left_alone_for_the_rest_of_a_look(
    accepted: Accepted, rooms: Rooms, queue: FailingQueue
) -> None:
    queue.errors["sick"] = QueueUnavailableError()
    for number in range(1000):
        accepted.add(make_job(str(number), pipeline_id="sick"))
    accepted.add(make_job("last"))

    async with restocking(accepted, rooms, look_every_s=NEVER_S) as loop:
        loop.hurry()
        await until(lambda: rooms.queue.depth() == 1)

    # A slow machine may have looked twice by now.
    assert max(queue.puts.values()) <= len(accepted.looks), "each job once a look"
    assert queue.puts.total() - queue.puts["last"] < 100


async def test_however_many_tell_of_losses_it_is_looked_no_more_often(
    accepted: Accepted, rooms: Rooms
) -> None:
    async with restocking(
        accepted, rooms, look_every_s=NEVER_S, hurried_look_every_s=NEVER_S
    ) as loop:
        for _ in range(50):
            loop.hurry()
            await turns(20)

    assert len(accepted.looks) == 1
