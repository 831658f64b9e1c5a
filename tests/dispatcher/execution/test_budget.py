import asyncio

import pytest

from dispatcher.execution.budget import ByteBudget


class Spender:
    """Spends from a budget until it is told to stop."""

    def __init__(self, budget: ByteBudget, size_bytes: int) -> None:
        self.is_in = False
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self._run(budget, size_bytes))

    async def _run(self, budget: ByteBudget, size_bytes: int) -> None:
        async with budget.spend(size_bytes):
            self.is_in = True
            await self.stop.wait()
        self.is_in = False

    async def leave(self) -> None:
        self.stop.set()
        await self.task


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def spenders(budget: ByteBudget, *sizes: int) -> list[Spender]:
    started = [Spender(budget, size) for size in sizes]
    await settle()
    return started


async def end(*left: Spender) -> None:
    for spender in left:
        await spender.leave()


async def test_only_what_fits_is_in_at_once() -> None:
    first, second, third = await spenders(ByteBudget(100), 60, 40, 1)
    assert [first.is_in, second.is_in, third.is_in] == [True, True, False]
    await second.leave()
    await settle()
    assert third.is_in
    await end(first, third)


async def test_what_comes_later_does_not_pass_what_waits() -> None:
    first, large, small = await spenders(ByteBudget(100), 60, 80, 10)
    assert [large.is_in, small.is_in] == [False, False]
    await first.leave()
    await settle()
    assert [large.is_in, small.is_in] == [True, True]
    await end(large, small)


async def test_one_that_is_larger_than_the_budget_gets_in_alone() -> None:
    small, giant = await spenders(ByteBudget(100), 1, 1000)
    assert not giant.is_in
    await small.leave()
    await settle()
    assert giant.is_in
    await giant.leave()


async def test_one_that_gives_up_waiting_lets_the_next_in_and_spends_nothing() -> None:
    budget = ByteBudget(100)
    first, impatient, third = await spenders(budget, 60, 80, 40)
    impatient.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient.task
    await settle()
    assert third.is_in
    await end(first, third)
    (whole,) = await spenders(budget, 100)
    assert whole.is_in
    await whole.leave()


async def test_one_that_is_cancelled_as_its_turn_comes_gives_its_share_back() -> None:
    budget = ByteBudget(100)
    first, second = await spenders(budget, 100, 100)
    first.stop.set()
    while not first.task.done():  # noqa: ASYNC110 - the very turn in which it ends is wanted
        await asyncio.sleep(0)
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    (whole,) = await spenders(budget, 100)
    assert whole.is_in
    await whole.leave()
