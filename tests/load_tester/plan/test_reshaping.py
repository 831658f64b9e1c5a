from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tester.errors import ScheduleError
from load_tester.plan.demand import Counts, Demand, Moments
from load_tester.plan.reshaping import Reshaping, read_factor, reshape, round_half_up

schedules = st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any)
moments = st.lists(st.floats(0, 30), min_size=1, max_size=50).map(
    lambda times: Moments(source="trace", moments_s=sorted(times))
)
factors = st.fractions(Fraction(1, 8), 8, max_denominator=30)


def images_of(demand: Demand) -> int:
    return sum(demand.per_second) if isinstance(demand, Counts) else len(demand.moments_s)


def reshaped(counts: list[int], **changes: object) -> tuple[int, ...]:
    demand = Counts(source="list", per_second=counts)
    result = reshape(demand, Reshaping(**changes))  # type: ignore[arg-type]
    assert isinstance(result, Counts)
    return tuple(result.per_second)


def moved(at_s: list[float], **changes: object) -> list[float]:
    demand = Moments(source="trace", moments_s=at_s)
    result = reshape(demand, Reshaping(**changes))  # type: ignore[arg-type]
    assert isinstance(result, Moments)
    return list(result.moments_s)


def test_nothing_asked_changes_nothing() -> None:
    assert reshaped([4, 0, 8]) == (4, 0, 8)
    assert moved([0.0, 0.3, 2.5]) == [0.0, 0.3, 2.5]


def test_a_rate_of_three_sends_three_times_as_many_in_every_second() -> None:
    assert reshaped([4, 0, 8], rate=Fraction(3)) == (12, 0, 24)


def test_half_the_rate_loses_nothing_to_rounding() -> None:
    assert reshaped([1, 1, 1, 1, 1, 1], rate=Fraction(1, 2)) == (1, 0, 1, 0, 1, 0)


def test_twice_the_time_halves_the_rate() -> None:
    assert reshaped([4, 0, 8], time=Fraction(2)) == (2, 2, 0, 0, 4, 4)


def test_half_the_time_puts_two_seconds_into_one() -> None:
    assert reshaped([4, 1, 8], time=Fraction(1, 2)) == (5, 8)


def test_a_number_for_each_minute_becomes_sixty_seconds() -> None:
    assert reshaped([120, 60], time=Fraction(60)) == (2,) * 60 + (1,) * 60


def test_a_part_is_cut_out_before_anything_is_scaled() -> None:
    assert reshaped([9, 4, 8, 9], from_second=1, limit_seconds=2, rate=Fraction(2)) == (8, 16)
    assert moved([0.5, 1.5, 2.5, 3.5], from_second=1, limit_seconds=2) == [0.5, 1.5]


def test_a_repetition_begins_with_a_whole_second() -> None:
    assert reshaped([4, 0], repeat=3) == (4, 0, 4, 0, 4, 0)
    assert moved([0.0, 1.25], repeat=2) == [0.0, 1.25, 2.0, 3.25]


def test_moments_stretch_with_time() -> None:
    assert moved([0.0, 0.5, 2.0], time=Fraction(2)) == [0.0, 1.0, 4.0]


def test_half_the_rate_keeps_every_other_moment() -> None:
    assert moved([0.0, 0.5, 1.0, 1.5], rate=Fraction(1, 2)) == [0.0, 1.0]


def test_twice_the_rate_puts_one_more_between_two_moments() -> None:
    assert moved([0.0, 0.5, 2.0], rate=Fraction(2)) == [0.0, 0.25, 0.5, 1.25, 2.0, 2.5]


@given(schedules, factors, factors, st.integers(1, 3))
def test_counts_are_scaled_without_losing_an_image(
    schedule: list[int], rate: Fraction, time: Fraction, repeat: int
) -> None:
    expected = round_half_up(sum(schedule) * rate)
    if expected:
        counts = reshaped(schedule, rate=rate, time=time, repeat=repeat)
        assert sum(counts) == expected * repeat
        assert min(counts) >= 0


@given(schedules, factors, factors)
def test_no_second_is_more_than_one_image_off(
    schedule: list[int], rate: Fraction, time: Fraction
) -> None:
    if not round_half_up(sum(schedule) * rate):
        return
    due = Fraction(0)
    sent = 0
    for second, count in enumerate(reshaped(schedule, rate=rate, time=time)):
        begin, end = second / time, (second + 1) / time
        for place, images in enumerate(schedule):
            overlap = min(end, Fraction(place + 1)) - max(begin, Fraction(place))
            due += max(overlap, Fraction(0)) * images * rate
        sent += count
        assert abs(sent - due) <= Fraction(1, 2)


@given(moments, factors, factors, st.integers(1, 3))
def test_moments_are_scaled_without_losing_an_image(
    demand: Moments, rate: Fraction, time: Fraction, repeat: int
) -> None:
    expected = round_half_up(len(demand.moments_s) * rate)
    if not expected:
        return
    result = reshape(demand, Reshaping(rate=rate, time=time, repeat=repeat))
    assert isinstance(result, Moments)
    assert images_of(result) == expected * repeat
    assert list(result.moments_s) == sorted(result.moments_s)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": Fraction(1, 1000)}, "sends no image"),
        ({"from_second": 3}, "sends no image"),
        ({"rate": Fraction(10**6)}, "too large"),
        ({"time": Fraction(10**6)}, "too large"),
        ({"repeat": 10**12}, "too large"),
    ],
)
def test_nothing_and_too_much_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        reshaped([4, 8, 1], **changes)
    with pytest.raises(ScheduleError, match=message):
        moved([0.0, 1.0, 2.5], **changes)


@pytest.mark.parametrize(
    ("text", "factor"),
    [("2", 2), ("0.1", Fraction(1, 10)), ("1/3", Fraction(1, 3)), ("1e3", 1000)],
)
def test_factors_are_exact_fractions(text: str, factor: Fraction) -> None:
    assert read_factor(text) == factor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0",
        "-1",
        "nan",
        "inf",
        "1/0",
        "1e7",
        "1e-7",
        "1e999999999",
        "1/1e-999999999",
        "1//2",
    ],
)
def test_anything_else_is_no_factor(text: str) -> None:
    with pytest.raises(ScheduleError, match="not a factor"):
        read_factor(text)
