from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tester.figures.capacity import (
    RESOLUTION,
    Capacity,
    End,
    Limits,
    Step,
    StepResult,
    choose_rate,
    conclude,
    judge_step,
    seconds_needed,
)
from load_tester.figures.objectives import read_objectives
from tests.load_tester.records import make_record, make_run

LIMITS = Limits(low=8, high=1000)


def search(
    service: Callable[[float, int], StepResult], limits: Limits = LIMITS
) -> tuple[list[Step], Capacity]:
    """Search against a service that is asked with the rate and the number of the step."""
    steps: list[Step] = []
    while (rate := choose_rate(steps, limits)) is not None:
        assert len(steps) < 60
        steps.append(Step(rate, service(rate, len(steps))))
    return steps, conclude(steps, limits)


def able(capacity: float) -> Callable[[float, int], StepResult]:
    return lambda rate, _: StepResult.MET if rate <= capacity else StepResult.MISSED


def test_rates_double_then_the_gap_is_halved_and_the_rest_is_tried_again() -> None:
    steps, capacity = search(able(100))
    rates = [step.rate for step in steps]
    assert rates[:5] == [8, 16, 32, 64, 128]
    assert all(64 < rate < 128 for rate in rates[5:])
    assert rates.count(rates[-1]) == 2
    assert capacity.end is End.FOUND
    assert capacity.rate == rates[-1]


@given(st.floats(8.5, 950))
def test_any_capacity_is_found_to_five_per_cent(true: float) -> None:
    _, capacity = search(able(true))
    assert capacity.rate is not None
    assert capacity.missed_rate is not None
    assert capacity.rate <= true < capacity.missed_rate
    assert capacity.missed_rate <= capacity.rate * (1 + RESOLUTION) * 1.001


def test_a_service_that_cannot_do_the_lowest_rate_is_told_so() -> None:
    steps, capacity = search(able(5))
    assert [step.rate for step in steps] == [8]
    assert (capacity.rate, capacity.end) == (None, End.BELOW_LOW)


def test_a_service_that_can_do_the_highest_rate_is_told_so_after_a_second_look() -> None:
    steps, capacity = search(able(5000), Limits(low=8, high=100))
    assert [step.rate for step in steps] == [8, 16, 32, 64, 100, 100]
    assert (capacity.rate, capacity.missed_rate, capacity.end) == (100, None, End.REACHED_HIGH)


def test_a_lucky_step_does_not_pass_the_second_look() -> None:
    lucky: list[float] = []

    def service(rate: float, _: int) -> StepResult:
        if 100 < rate <= 110 and rate not in lucky:
            lucky.append(rate)
            return StepResult.MET
        return able(100)(rate, 0)

    _, capacity = search(service)
    assert lucky
    assert capacity.rate is not None
    assert capacity.rate <= 100


def test_a_disturbed_step_is_repeated_and_then_counts_for_nothing() -> None:
    steps, capacity = search(
        lambda rate, number: StepResult.INVALID if number == 2 else able(100)(rate, number)
    )
    assert [step.rate for step in steps[:4]] == [8, 16, 32, 32]
    assert capacity.end is End.FOUND


def test_a_load_tester_that_cannot_go_on_ends_the_search_and_says_so() -> None:
    steps, capacity = search(lambda rate, _: StepResult.INVALID if rate > 40 else StepResult.MET)
    assert [step.rate for step in steps] == [8, 16, 32, 64, 64]
    assert (capacity.rate, capacity.missed_rate, capacity.end) == (32, None, End.GENERATOR)


def test_an_interrupted_search_tells_what_it_knows() -> None:
    steps = [Step(8, StepResult.MET), Step(16, StepResult.MISSED)]
    capacity = conclude(steps, LIMITS, is_interrupted=True, is_gone=True)
    assert capacity == Capacity(rate=8, missed_rate=16, end=End.INTERRUPTED)


def test_a_search_whose_service_went_away_says_so() -> None:
    steps = [Step(8, StepResult.MET), Step(16, StepResult.MISSED)]
    capacity = conclude(steps, LIMITS, is_gone=True)
    assert capacity == Capacity(rate=8, missed_rate=16, end=End.GONE)


@pytest.mark.parametrize(
    ("objective", "seconds"), [("p95<1s", 20), ("p99<1s", 72), ("error<1%", 20), ("p99.9<1s", 720)]
)
def test_a_step_takes_as_long_as_its_percentiles_need(objective: str, seconds: int) -> None:
    needed = seconds_needed(8, step_s=20, objectives=read_objectives([objective]))
    assert needed == pytest.approx(seconds, abs=1)


def test_a_step_is_judged_by_objectives_and_by_the_verdict() -> None:
    punctual = [make_record(n, sent_s=float(n)) for n in range(100)]
    late = [make_record(n) for n in range(100)]
    assert judge_step(make_run(*punctual, objectives=("p95<2s",))) is StepResult.MET
    assert judge_step(make_run(*punctual, objectives=("p95<1s",))) is StepResult.MISSED
    assert judge_step(make_run(*punctual, objectives=("p99<2s",))) is StepResult.MISSED
    assert judge_step(make_run(*late, objectives=("p95<2s",))) is StepResult.INVALID
