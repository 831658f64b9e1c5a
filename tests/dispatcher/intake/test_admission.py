import pytest

from dispatcher.errors import OverloadedError
from dispatcher.intake.admission import (
    MAX_RETRY_AFTER_S,
    MIN_RETRY_AFTER_S,
    UNKNOWN_RETRY_AFTER_S,
    admit,
    retry_after_s,
)


def test_a_job_is_taken_while_there_is_space() -> None:
    for depth in (0, 1, 199):
        admit(depth=depth, capacity=200, drain_rate=0.0)


@pytest.mark.parametrize("depth", [200, 201])
def test_a_full_queue_takes_no_more_and_says_when_to_come_back(depth: int) -> None:
    with pytest.raises(OverloadedError) as refused:
        admit(depth=depth, capacity=200, drain_rate=20.0)
    assert refused.value.retry_after_s == retry_after_s(depth, 20.0)
    assert str(depth) in refused.value.detail


@pytest.mark.parametrize(
    ("depth", "drain_rate", "seconds"),
    [
        (200, 20.0, 5),
        (200, 10.0, 10),
        (200, 30.0, 4),
        (200, 100.0, 1),
        (200, 1e9, MIN_RETRY_AFTER_S),
        (1, 1.0, MIN_RETRY_AFTER_S),
        (0, 1.0, MIN_RETRY_AFTER_S),
        (200, 0.1, MAX_RETRY_AFTER_S),
        (200, 1e-300, MAX_RETRY_AFTER_S),
        (200, 0.0, UNKNOWN_RETRY_AFTER_S),
        (1, 0.0, UNKNOWN_RETRY_AFTER_S),
    ],
)
def test_one_comes_back_when_half_of_the_queue_is_worked_off(
    depth: int, drain_rate: float, seconds: int
) -> None:
    assert retry_after_s(depth, drain_rate) == seconds


def test_the_longer_the_queue_the_later_one_comes_back() -> None:
    waits = [retry_after_s(depth, 10.0) for depth in range(2000)]
    assert waits == sorted(waits)
    assert set(waits) == set(range(MIN_RETRY_AFTER_S, MAX_RETRY_AFTER_S + 1))
