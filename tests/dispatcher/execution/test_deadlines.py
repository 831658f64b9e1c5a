import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.execution.deadlines import Deadlines, remaining_s
from tests.dispatcher.records import make_job
from tests.dispatcher.waiting import turns, until

DAY_S = 24 * 3600.0


class Clock:
    """Monotonic time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(deadlines: Deadlines) -> AsyncIterator[list[str]]:
    """What is expired, in order."""
    expired: list[str] = []

    async def note(job_id: str) -> None:
        expired.append(job_id)

    task = asyncio.create_task(deadlines.run(note))
    yield expired
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# What remains


@pytest.mark.parametrize(
    ("waited_s", "left_s"), [(0.0, 30.0), (10.0, 20.0), (30.0, 0.0), (31.0, 0.0)]
)
def test_what_remains_is_counted_from_the_acceptance(waited_s: float, left_s: float) -> None:
    job = make_job(queued_at=1000.0, deadline_s=30.0)
    assert remaining_s(job, now=1000.0 + waited_s) == left_s


def test_a_job_without_a_deadline_is_waited_for_for_ever() -> None:
    assert remaining_s(make_job(queued_at=0.0), now=1e12) is None


@pytest.mark.parametrize("jump_s", [3600.0, 30 * DAY_S])
def test_p24_a_clock_that_was_set_back_keeps_no_job_longer_than_its_deadline(
    jump_s: float,
) -> None:
    job = make_job(queued_at=1000.0 + jump_s, deadline_s=30.0)
    assert remaining_s(job, now=1000.0) == 30.0


# The loop


async def test_a_job_is_expired_at_its_deadline_and_no_sooner() -> None:
    async with running(deadlines := Deadlines()) as expired:
        began = time.monotonic()
        deadlines.watch(make_job("soon", queued_at=time.time(), deadline_s=0.05))
        deadlines.watch(make_job("late", queued_at=time.time(), deadline_s=60.0))
        await until(lambda: expired)
        assert time.monotonic() - began >= 0.045
        assert expired == ["soon"]
        # It is forgotten a moment after it was told.
        await until(lambda: deadlines.count() == 1)


async def test_a_deadline_of_no_time_at_all_is_over_at_once() -> None:
    async with running(deadlines := Deadlines()) as expired:
        deadlines.watch(make_job("job-1", deadline_s=0.0))
        assert deadlines.is_over("job-1")
        await until(lambda: expired == ["job-1"])
        await until(lambda: not deadlines.is_over("job-1"))


async def test_an_earlier_deadline_that_comes_later_is_minded_first() -> None:
    async with running(deadlines := Deadlines()) as expired:
        for name, left_s in (("c", 60.0), ("b", 0.05), ("a", 0.02)):
            deadlines.watch(make_job(name, queued_at=time.time(), deadline_s=left_s))
            await turns(3)
        await until(lambda: len(expired) == 2)
        assert expired == ["a", "b"]


async def test_p24_time_that_only_the_wall_clock_has_seen_expires_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(deadlines := Deadlines()) as expired:
        for number in range(100):
            deadlines.watch(make_job(str(number), queued_at=time.time(), deadline_s=60.0))
        real = time.time()
        for jump_s in (3600.0, -3600.0, 30 * DAY_S, -30 * DAY_S):
            monkeypatch.setattr("time.time", lambda jump_s=jump_s: real + jump_s)
            deadlines.watch(make_job("wake", queued_at=real + jump_s, deadline_s=0.0))
            await until(lambda: expired and deadlines.count() == 100)
        assert set(expired) == {"wake"}


async def test_a_job_that_has_ended_is_minded_no_longer() -> None:
    async with running(deadlines := Deadlines()) as expired:
        deadlines.watch(make_job("ended", deadline_s=0.02))
        deadlines.forget("ended")
        deadlines.watch(make_job("open", deadline_s=0.03))
        await until(lambda: expired)
        assert expired == ["open"]
        deadlines.forget("never seen")


async def test_forgotten_deadlines_take_no_room() -> None:
    deadlines = Deadlines()
    for number in range(20_000):
        deadlines.watch(make_job(str(number), deadline_s=DAY_S))
        deadlines.forget(str(number))
    assert deadlines.count() == 0
    assert len(deadlines._heap) < 2000


async def test_many_deadlines_that_pass_together_are_all_noticed() -> None:
    async with running(deadlines := Deadlines()) as expired:
        names = [str(number) for number in range(1000)]
        for name in names:
            deadlines.watch(make_job(name, deadline_s=0.0))
        await until(lambda: len(expired) == 1000)
        assert sorted(expired) == sorted(names)
        await until(lambda: not deadlines.count())


async def test_a_store_that_fails_for_a_while_delays_the_end_and_does_not_prevent_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dispatcher.execution.deadlines.RETRY_S", 0.01)
    deadlines, calls = Deadlines(), 0

    async def fail_twice(_: str) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise OSError("the disk is gone")

    task = asyncio.create_task(deadlines.run(fail_twice))
    deadlines.watch(make_job("job-1", deadline_s=0.0))
    await until(lambda: calls == 3 and not deadlines.count())
    assert not task.done()
    assert "the disk is gone" in caplog.text
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_watched_and_forgotten_what_is_left_is_expired_in_order(
    seed: int,
) -> None:
    dice, clock = random.Random(seed), Clock()
    deadlines = Deadlines(clock=clock)
    kept: dict[str, float] = {}
    for number in range(300):
        left_s = dice.uniform(1.0, 100.0)
        deadlines.watch(make_job(str(number), queued_at=time.time() + 60, deadline_s=left_s))
        kept[str(number)] = left_s
        if dice.random() < 0.4:
            forgotten = dice.choice(list(kept))
            deadlines.forget(forgotten)
            kept.pop(forgotten)
    clock.now += 50.0
    async with running(deadlines) as expired:
        due = [name for name in sorted(kept, key=kept.__getitem__) if kept[name] <= 50.0]
        await until(lambda: len(expired) >= len(due))
        assert expired == due
        await until(lambda: deadlines.count() == len(kept) - len(due))
