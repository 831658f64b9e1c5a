import pytest

from load_tester.plan.curves import CURVES


def users(curve: str, *moments_s: float) -> list[float]:
    """Of 100 users over 100 seconds."""
    return [round(CURVES[curve](at_s, 100, 100), 9) for at_s in moments_s]


def test_a_ramp_rises_evenly_from_none_to_all() -> None:
    assert users("ramp", 0, 25, 50, 100) == [0, 25, 50, 100]


def test_a_step_curve_has_five_equal_steps() -> None:
    assert users("step", 0, 19.9, 20, 40, 60, 80, 99.9) == [20, 20, 40, 60, 80, 100, 100]


def test_a_step_curve_never_takes_a_sixth_step() -> None:
    assert users("step", 100) == [100]


def test_a_spike_is_the_middle_half_of_the_run() -> None:
    assert users("spike", 0, 24.9, 25, 50, 74.9, 75, 100) == [10, 10, 100, 100, 100, 10, 10]


def test_a_sinus_begins_with_half_and_touches_all_and_none() -> None:
    assert users("sinus", 0, 25, 50, 75, 100) == [50, 100, 50, 0, 50]


def test_a_flat_curve_has_all_users_throughout() -> None:
    assert users("flat", 0, 50, 100) == [100, 100, 100]


@pytest.mark.parametrize("curve", CURVES)
def test_no_curve_leaves_the_users_it_was_given(curve: str) -> None:
    assert all(0 <= CURVES[curve](at_s / 10, 30, 60) <= 30 for at_s in range(600))
