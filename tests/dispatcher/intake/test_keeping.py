"""New jobs in a store that takes a while, or is away."""

import asyncio

import pytest

from dispatcher.errors import QueueUnavailableError, StorageUnavailableError
from dispatcher.intake import keeping
from dispatcher.intake.keeping import add_all, discard_all
from dispatcher.jobs import Job
from dispatcher.results.memory import MemoryResultStore
from tests.dispatcher.intake.submitting import submit
from tests.dispatcher.records import make_job
from tests.dispatcher.rooms import Rooms

JOBS = [make_job(name) for name in ("1", "2", "3")]


class FarResults(MemoryResultStore):
    """Results on another machine."""

    def __init__(self) -> None:
        super().__init__(retention_s=60.0, retention_count=100)
        self.refused: set[str] = set()
        self.is_stuck = False
        self.asked: list[str] = []
        self.discarded: list[str] = []

    async def add(self, job: Job) -> None:
        self.asked.append(job.id)
        await asyncio.sleep(0)
        if job.id in self.refused:
            raise StorageUnavailableError
        await super().add(job)

    async def discard(self, job_id: str) -> None:
        if self.is_stuck:
            await asyncio.Event().wait()
        if job_id in self.refused:
            raise StorageUnavailableError
        self.discarded.append(job_id)
        await super().discard(job_id)


async def test_all_are_kept() -> None:
    results = FarResults()

    await add_all(JOBS, results=results)
    await add_all([], results=results)

    assert results.count() == 3


async def test_when_one_is_refused_all_have_been_asked_for_and_can_be_discarded() -> None:
    results = FarResults()
    results.refused = {"1"}

    with pytest.raises(StorageUnavailableError):
        await add_all(JOBS, results=results)
    assert results.asked == ["1", "2", "3"]
    await discard_all(JOBS, results=results)

    assert results.discarded == ["2", "3"], "one that cannot be discarded keeps back no other"
    assert results.count() == 0


async def test_a_store_that_is_stuck_holds_nobody_up_who_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "DISCARD_S", 0.01)
    results = FarResults()
    results.is_stuck = True

    async with asyncio.timeout(5.0):
        await discard_all(JOBS, results=results)


async def test_a_refused_job_is_told_why_also_when_it_cannot_be_discarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms = Rooms()

    async def away(*_: object, **__: object) -> int:
        raise QueueUnavailableError

    async def broken(_: str) -> None:
        raise StorageUnavailableError

    monkeypatch.setattr(rooms.queue, "put", away)
    monkeypatch.setattr(rooms.results, "discard", broken)

    with pytest.raises(QueueUnavailableError):
        await submit(rooms)

    assert rooms.coalescing.leaders() == [], "nobody follows it"
