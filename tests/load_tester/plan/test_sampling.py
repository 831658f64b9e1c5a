import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tester.errors import ScheduleError
from load_tester.plan.curves import CURVES, flat, ramp, sinus, spike, step
from load_tester.plan.sampling import sample_curve


def test_the_area_under_a_curve_is_what_is_sent() -> None:
    areas = {ramp: 3000, step: 3600, spike: 3300, sinus: 3000, flat: 6000}
    for curve, area in areas.items():
        assert sum(sample_curve(curve, users=50, duration_s=120).images_per_second()) == area


def test_users_of_a_flat_curve_are_images_a_second() -> None:
    assert sample_curve(flat, users=7, duration_s=4).images_per_second() == (7, 7, 7, 7)


def test_fractions_of_an_image_are_not_lost() -> None:
    counts = sample_curve(flat, users=0.25, duration_s=40).images_per_second()
    assert sum(counts) == 10
    assert set(counts) == {0, 1}


def test_a_part_of_a_second_is_a_second_with_fewer_images() -> None:
    assert sample_curve(flat, users=8, duration_s=2.5).images_per_second() == (8, 8, 4)


def test_users_are_added_no_faster_than_the_spawn_rate() -> None:
    curve = sample_curve(flat, users=10, duration_s=8, spawn_rate=2)
    assert [round(curve.users_at(at_s), 1) for at_s in (0, 1, 2, 4, 5, 7)] == [0, 2, 4, 8, 10, 10]


def test_users_may_leave_at_once() -> None:
    curve = sample_curve(spike, users=100, duration_s=100, spawn_rate=10)
    assert curve.users_at(74.9) == 100
    assert curve.users_at(75.1) == 10


def test_after_each_step_users_are_added_from_what_was_there() -> None:
    curve = sample_curve(step, users=50, duration_s=50, spawn_rate=2)
    assert curve.users_at(10) == pytest.approx(10, abs=0.1)
    assert curve.users_at(12) == pytest.approx(14, abs=0.1)
    assert curve.users_at(16) == pytest.approx(20, abs=0.1)


def test_nobody_is_there_before_and_after_the_run() -> None:
    curve = sample_curve(flat, users=5, duration_s=10)
    assert [curve.users_at(at_s) for at_s in (-0.1, 10, 11)] == [0, 0, 0]


@settings(deadline=None)
@given(
    st.sampled_from(sorted(CURVES)),
    st.floats(0.1, 500),
    st.floats(0.5, 90),
    st.floats(0.1, 1000),
)
def test_every_curve_keeps_its_promises(
    name: str, users: float, duration_s: float, spawn_rate: float
) -> None:
    curve = sample_curve(CURVES[name], users=users, duration_s=duration_s, spawn_rate=spawn_rate)
    counts = curve.images_per_second()
    assert len(counts) == math.ceil(duration_s)
    assert min(counts) >= 0
    assert abs(sum(counts) - curve.images_by(duration_s)) <= 0.5 + 1e-6
    width_s = duration_s / len(curve.users)
    assert all(
        after - before <= spawn_rate * width_s + 1e-9 for before, after in pairwise(curve.users)
    )
    assert max(curve.users) <= users + 1e-9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 0.0}, "users greater than 0"),
        ({"users": -3.0}, "users greater than 0"),
        ({"users": math.nan}, "users greater than 0"),
        ({"users": math.inf}, "too large"),
        ({"users": 1e308}, "too large"),
        ({"duration_s": 0.0}, "duration greater than 0"),
        ({"duration_s": math.nan}, "duration greater than 0"),
        ({"duration_s": 1e9}, "too large"),
        ({"duration_s": math.inf}, "too large"),
        ({"spawn_rate": -1.0}, "spawn rate greater than 0"),
    ],
)
def test_impossible_curves_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        sample_curve(flat, **({"users": 10.0, "duration_s": 10.0} | changes))


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_curve_that_gives_no_number_of_users_is_refused_with_the_moment(value: float) -> None:
    def broken(t_s: float, users: float, duration_s: float) -> float:
        return users if t_s < 5 else value

    with pytest.raises(ScheduleError, match=r"no number of users from 0 up at t = 5"):
        sample_curve(broken, users=10, duration_s=10)


def test_a_curve_that_misses_zero_by_a_rounding_touches_it() -> None:
    curve = sample_curve(lambda t_s, *_: max(-1e-12, 5 - t_s), users=10, duration_s=10)
    assert min(curve.users) == 0
