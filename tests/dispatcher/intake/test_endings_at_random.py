"""Clients come, follow each other and leave in any order: every job ends, nothing is left over."""

import random
from dataclasses import dataclass, field

import pytest

from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.jobs import Job
from tests.dispatcher.intake.ending import settle, take
from tests.dispatcher.intake.submitting import ANEW, submit
from tests.dispatcher.records import completed, failed
from tests.dispatcher.rooms import Rooms

WITH_DEADLINE = SubmitOptions(deadline_s=60.0)


@dataclass
class Crowd:
    """Clients who do as the dice say, and a consumer with many hands."""

    dice: random.Random
    rooms: Rooms = field(default_factory=Rooms)
    jobs: list[Job] = field(default_factory=list)
    in_hand: list[Job] = field(default_factory=list)

    async def act(self) -> None:
        actions = [self.submit, self.submit, self.cancel, self.expire, self.take, self.finish]
        await self.dice.choice(actions)()
        self.in_hand = [job for job in self.in_hand if job.id not in self.rooms.stopped]

    async def submit(self) -> None:
        if self.rooms.queue.depth() < self.rooms.queue.capacity:
            options = self.dice.choice([WITH_DEADLINE, WITH_DEADLINE, ANEW])
            self.jobs.append(await submit(self.rooms, self.dice.randrange(2), options))

    async def cancel(self) -> None:
        job = await self.any_job()
        if job is not None and not job.state.is_terminal:
            await self.rooms.endings.cancel(job)

    async def expire(self) -> None:
        job = await self.any_job()
        if job is not None:
            await self.rooms.endings.expire(job.id)

    async def any_job(self) -> Job | None:
        if not self.jobs:
            return None
        return await self.rooms.results.get(self.dice.choice(self.jobs[-6:]).id)

    async def take(self) -> None:
        if self.rooms.queue.depth():
            job = await take(self.rooms)
            stored = await self.rooms.results.get(job.id)
            if not stored.state.is_terminal or self.rooms.coalescing.claim(job.id):
                self.in_hand.append(job)

    async def finish(self) -> None:
        if self.in_hand:
            job = self.in_hand.pop(self.dice.randrange(len(self.in_hand)))
            is_good = self.dice.random() < 0.7
            # Of another revision than expected, so that no later job is answered from the cache.
            await settle(self.rooms, completed(job, revision="r2") if is_good else failed(job))


@pytest.mark.parametrize("seed", range(12))
async def test_every_job_ends_once_and_nothing_is_left_over(seed: int) -> None:
    crowd = Crowd(random.Random(seed))
    rooms = crowd.rooms
    for _ in range(300):
        await crowd.act()
    while rooms.queue.depth():
        await crowd.take()
    while crowd.in_hand:
        await crowd.finish()
    ended = [await rooms.results.get(job.id) for job in crowd.jobs]
    assert all(job.state.is_terminal for job in ended)
    assert len({job.state for job in ended}) == 4, "each end was met"
    assert any(job.coalesced for job in ended)
    assert sum(rooms.figures.ended.values()) == len(crowd.jobs)
    assert rooms.deadlines.count() == 0
    for job in ended:
        for digest in job.holds:
            await rooms.blobs.release(digest)
    assert rooms.blobs.total_bytes() == 0
