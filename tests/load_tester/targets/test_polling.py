import pytest

from load_tester.client import Look
from load_tester.errors import FailedError
from load_tester.polling import LONGEST_PAUSE_S, next_pause_s, read_retry_after


def test_a_wait_that_was_held_is_followed_at_once() -> None:
    assert next_pause_s(0.2, held_s=20.0) == 0.0
    assert next_pause_s(0.2, held_s=2.0) == 0.0


def test_pauses_grow_up_to_a_bound_when_waits_are_not_held() -> None:
    pauses = [0.0]
    for _ in range(20):
        pauses.append(next_pause_s(pauses[-1], held_s=0.001))
    assert pauses[1] == 0.005
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("status", "asked_s", "pause_s"),
    [(202, 7.0, 0.0), (503, 2.0, 2.0), (429, 600.0, 5.0), (500, 0.0, 0.0), (502, 9.0, 0.0)],
)
def test_a_look_without_an_end_asks_for_another(
    status: int, asked_s: float, pause_s: float
) -> None:
    assert read_retry_after(Look(status, b"", asked_s)) == pause_s


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "lost_404"), (410, "lost_410"), (401, "http_401"), (301, "http_3")]
)
def test_a_look_that_cannot_succeed_is_the_end(status: int, reason: str) -> None:
    with pytest.raises(FailedError, match=reason):
        read_retry_after(Look(status, b"", 0.0))
