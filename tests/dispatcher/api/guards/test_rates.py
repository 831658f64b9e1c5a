"""Token buckets in made-up time."""

from dataclasses import dataclass

import pytest

from dispatcher.api.guards.rates import Rates


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_allows_its_burst_and_then_tells_when_to_come_back() -> None:
    rates = Rates(clock=Clock())
    taken = [rates.take("a", rate_per_s=0.5, burst=2) for _ in range(3)]
    assert taken == [None, None, 2]


def test_over_a_long_time_the_rate_is_what_it_says() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    allowed = 0
    for _ in range(10_000):
        clock.now += 0.01
        allowed += rates.take("a", rate_per_s=7.0, burst=7.0) is None
    assert allowed == pytest.approx(700 + 7, abs=1)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    rates.take("a", rate_per_s=5.0, burst=2)
    clock.now += 3600
    assert [rates.take("a", rate_per_s=5.0, burst=2) for _ in range(3)] == [None, None, 1]


def test_nobody_takes_from_the_bucket_of_another() -> None:
    rates = Rates(clock=Clock())
    assert rates.take("a", rate_per_s=1.0, burst=1) is None
    assert rates.take("a", rate_per_s=1.0, burst=1) == 1
    assert rates.take("b", rate_per_s=1.0, burst=1) is None


def test_whoever_comes_back_as_told_is_served() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    rates.take("a", rate_per_s=0.3, burst=1)
    after_s = rates.take("a", rate_per_s=0.3, burst=1)
    assert after_s == 4
    clock.now += after_s
    assert rates.take("a", rate_per_s=0.3, burst=1) is None
