"""Retries are bounded, and none is lost."""

import asyncio

import pytest

from dispatcher.execution.retry_budget import BudgetPolicy, RetryBudget
from tests.dispatcher.waiting import turns

POLICY = BudgetPolicy(burst=10.0)


class Clock:
    """A time that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> RetryBudget:
    return RetryBudget(POLICY, clock=clock)


def take_all(budget: RetryBudget) -> int:
    """Take tokens until there is none, and say how many there were."""
    count = 0
    while budget.try_take():
        count += 1
    return count


def test_what_one_replica_had_may_be_tried_again_at_once() -> None:
    assert take_all(RetryBudget(clock=Clock())) == 100


def test_there_are_three_retries_a_second_when_nothing_is_answered(
    budget: RetryBudget, clock: Clock
) -> None:
    take_all(budget)
    taken = 0
    for _ in range(1000):
        clock.now += 0.01
        budget.note_failure()
        taken += take_all(budget)
    assert 29 <= taken <= 30


def test_a_tenth_of_what_is_answered_may_be_tried_again(budget: RetryBudget) -> None:
    take_all(budget)
    taken = 0
    for number in range(1000):
        budget.note_answer()
        taken += take_all(budget)
        if number % 10 == 0:
            budget.note_failure()
    assert 99 <= taken <= 100


def test_there_is_never_more_than_the_burst(budget: RetryBudget, clock: Clock) -> None:
    clock.now += 1e6
    for _ in range(10_000):
        budget.note_answer()
    assert take_all(budget) == POLICY.burst


def test_an_outage_counts_as_over_after_ten_good_answers_in_a_row(budget: RetryBudget) -> None:
    take_all(budget)
    for _ in range(10):
        budget.note_answer()
        assert take_all(budget) <= 1
    budget.note_answer()
    assert take_all(budget) >= 2
    budget.note_failure()
    budget.note_answer()
    assert take_all(budget) == 0


async def test_retries_wait_in_order_and_each_gets_its_turn() -> None:
    budget = RetryBudget(BudgetPolicy(burst=1.0, min_per_s=1000.0))
    done: list[int] = []

    async def retry(number: int) -> None:
        await budget.take()
        done.append(number)

    async with asyncio.timeout(5):
        await asyncio.gather(*(retry(number) for number in range(50)))
    assert done == list(range(50))


async def test_a_good_answer_wakes_who_waits(budget: RetryBudget) -> None:
    take_all(budget)
    waiting = asyncio.create_task(budget.take())
    await turns(5)
    assert not waiting.done()
    assert not budget.try_take(), "who waits comes first"
    for _ in range(11):
        budget.note_answer()
    async with asyncio.timeout(5):
        await waiting


async def test_who_gives_up_waiting_keeps_no_other_waiting(budget: RetryBudget) -> None:
    take_all(budget)
    first, second = (asyncio.create_task(budget.take()) for _ in range(2))
    await turns(5)
    first.cancel()
    await turns(5)
    for _ in range(11):
        budget.note_answer()
    async with asyncio.timeout(5):
        await second
    assert first.cancelled()
