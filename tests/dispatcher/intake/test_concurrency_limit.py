"""More is not begun than can be kept in time, and how much that is follows the time it takes."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from dispatcher.errors import OverloadedError
from dispatcher.intake.concurrency_limit import ConcurrencyLimit, LimitPolicy
from dispatcher.jobs import JobState
from tests.dispatcher.intake.submitting import SlowQueue, submit
from tests.dispatcher.intake.test_keeping_in_time import FarBlobs, shared_rooms
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import turns
from tests.virtual_time import run

POLICY = LimitPolicy(least=2, most=10, slow_s=1.0, decrease=0.5, most_waiting=3, wait_s=0.05)


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def limit_at(clock: Clock, policy: LimitPolicy = POLICY) -> ConcurrencyLimit:
    return ConcurrencyLimit(policy, clock=clock, jitter=random.Random(1))


async def take(limit: ConcurrencyLimit, clock: Clock, *, for_s: float) -> None:
    async with limit.taken():
        clock.now += for_s


async def fill(limit: ConcurrencyLimit, stack: AsyncExitStack) -> None:
    for _ in range(limit.limit):
        await stack.enter_async_context(limit.taken())


async def test_who_comes_beyond_the_limit_waits_a_moment_and_is_refused() -> None:
    limit = limit_at(Clock())
    async with AsyncExitStack() as stack:
        await fill(limit, stack)
        with pytest.raises(OverloadedError) as refused:
            await take(limit, Clock(), for_s=0.0)
        assert refused.value.retry_after_s in {1, 2, 3}
    await take(limit, Clock(), for_s=0.0)


async def test_those_who_wait_have_their_turn_when_one_ends_first_come_first_served() -> None:
    limit = limit_at(Clock(), replace(POLICY, wait_s=5.0))
    served: list[int] = []

    async def come(number: int) -> None:
        async with limit.taken():
            served.append(number)

    async with AsyncExitStack() as stack:
        await fill(limit, stack)
        coming = [asyncio.create_task(come(number)) for number in range(3)]
        await turns(2)
        coming[1].cancel()  # its client has left
        await turns(2)
        limit.check()
        assert served == []
    await asyncio.gather(coming[0], coming[2])
    assert served == [0, 2]
    async with AsyncExitStack() as stack:
        await fill(limit, stack)  # no place is lost


async def test_when_many_wait_nobody_else_need_come() -> None:
    limit = limit_at(Clock(), replace(POLICY, wait_s=5.0))
    async with AsyncExitStack() as stack:
        await fill(limit, stack)
        waiting = [asyncio.create_task(take(limit, Clock(), for_s=0.0)) for _ in range(3)]
        await turns(2)
        with pytest.raises(OverloadedError):
            limit.check()
    await asyncio.gather(*waiting)
    limit.check()


async def test_what_takes_long_lowers_the_limit_and_never_below_the_least() -> None:
    clock = Clock()
    limit = limit_at(clock)
    for expected in (5, 2, 2):
        await take(limit, clock, for_s=POLICY.slow_s)
        assert limit.limit == expected


async def limit_when_all_is_taken(during: Callable[[ConcurrencyLimit, Clock], Any]) -> int:
    """Return the limit once the first of those who have all places is slow."""
    clock = Clock()
    limit = limit_at(clock)
    async with AsyncExitStack() as stack:
        for _ in range(POLICY.most - 1):
            await stack.enter_async_context(limit.taken())
        clock.now += 0.6
        await during(limit, clock)
        await stack.enter_async_context(limit.taken())
        clock.now += 0.4
        assert limit.limit == POLICY.most
        with pytest.raises(OverloadedError):
            await take(limit, clock, for_s=0.0)
        return limit.limit


@pytest.mark.parametrize(("ended", "expected"), [(0, 2), (1, 2), (4, 4), (9, 5)])
async def test_where_all_is_taken_it_falls_to_what_was_done_in_the_time_one_may_take(
    ended: int, expected: int
) -> None:
    async def do(limit: ConcurrencyLimit, clock: Clock) -> None:
        for _ in range(ended):
            await take(limit, clock, for_s=0.0)

    assert await limit_when_all_is_taken(do) == expected


async def test_what_was_done_long_ago_does_not_count() -> None:
    async def do(limit: ConcurrencyLimit, clock: Clock) -> None:
        clock.now -= 0.6
        for _ in range(4):
            await take(limit, clock, for_s=0.0)
        clock.now += 0.6

    assert await limit_when_all_is_taken(do) == POLICY.least


@pytest.mark.parametrize("reason", [asyncio.CancelledError(), OverloadedError("No room.")])
async def test_what_is_given_up_or_refused_is_nothing_done(reason: BaseException) -> None:
    async def fail(limit: ConcurrencyLimit, clock: Clock) -> None:
        for _ in range(6):
            with pytest.raises(type(reason)):
                async with limit.taken():
                    raise reason

    assert await limit_when_all_is_taken(fail) == POLICY.least


async def test_where_more_is_done_than_is_under_way_one_that_is_slow_lowers_it_by_a_part() -> None:
    clock = Clock()
    limit = limit_at(clock)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(limit.taken())
        clock.now += 0.5
        for _ in range(4):
            await take(limit, clock, for_s=0.0)
        clock.now += 0.5
        await take(limit, clock, for_s=0.0)
        assert limit.limit == 5


async def test_those_that_began_together_lower_it_once() -> None:
    clock = Clock()
    limit = limit_at(clock)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(limit.taken())
        clock.now += POLICY.slow_s
        await take(limit, clock, for_s=0.0)
        assert limit.limit == 5
        clock.now += POLICY.slow_s
    assert limit.limit == 5


async def test_what_ends_soon_raises_the_limit_by_one_a_round_and_never_above_the_most() -> None:
    clock = Clock()
    limit = limit_at(clock)
    await take(limit, clock, for_s=POLICY.slow_s)
    for _ in range(6):
        await take(limit, clock, for_s=0.1)
    assert limit.limit == 6
    for _ in range(200):
        await take(limit, clock, for_s=0.1)
    assert limit.limit == POLICY.most


async def test_a_failure_may_lower_the_limit_and_never_raises_it() -> None:
    clock = Clock()
    limit = limit_at(clock)
    with pytest.raises(ValueError, match="late"):
        async with limit.taken():
            clock.now += POLICY.slow_s
            raise ValueError("late")
    assert limit.limit == 5
    for _ in range(20):
        with pytest.raises(ValueError, match="soon"):
            async with limit.taken():
                raise ValueError("soon")
    assert limit.limit == 5


@pytest.mark.parametrize(
    ("took_s", "ago_s", "waits_s"),
    [(0.5, 0.0, 4.5), (2.0, 0.0, 3.0), (60.0, 0.0, 0.5), (2.0, 4.9, 3.0), (2.0, 5.0, 5.0)],
)
def test_who_waits_waits_for_less_the_more_each_took_just_before(
    took_s: float, ago_s: float, waits_s: float
) -> None:
    policy = replace(POLICY, least=1, most=1, wait_s=5.0, least_wait=0.1)

    async def refused_after_s() -> float:
        loop = asyncio.get_running_loop()
        limit = ConcurrencyLimit(policy, clock=loop.time)
        async with limit.taken():
            await asyncio.sleep(took_s)
        await asyncio.sleep(ago_s)
        async with limit.taken():
            began = loop.time()
            with pytest.raises(OverloadedError):
                async with limit.taken():
                    pytest.fail("there is no place")
            return loop.time() - began

    assert run(refused_after_s()) == pytest.approx(waits_s)


async def test_a_submission_beyond_the_limit_asks_no_server() -> None:
    blobs = FarBlobs()
    blobs.may_put.clear()
    rooms, most = shared_rooms(blobs), LimitPolicy().most
    waiting = [asyncio.create_task(submit(rooms, seed)) for seed in range(most)]
    async with asyncio.timeout(5):
        while blobs.asked < most:
            blobs.is_asked.clear()
            await blobs.is_asked.wait()
    with pytest.raises(OverloadedError, match="kept in time"):
        await submit(rooms, most)
    assert blobs.asked == most
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_where_nothing_is_shared_there_is_no_such_limit() -> None:
    rooms = Rooms(queue=(queue := SlowQueue(capacity=1000)))
    waiting = [asyncio.create_task(submit(rooms, seed)) for seed in range(2 * LimitPolicy().most)]
    await asyncio.sleep(0)
    rooms.intake.check_room()
    queue.may_put.set()
    assert all(job.state is JobState.QUEUED for job in await asyncio.gather(*waiting))
