import pytest

from dispatcher.servers.breaker import Breaker, BreakerPolicy

POLICY = BreakerPolicy()
FAST_S, SLOW_S = 0.001, 0.5


def opened() -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(POLICY.failures_to_open):
        breaker.failed()
    assert breaker.is_open
    return breaker


def test_three_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    states = []
    for _ in range(3):
        breaker.failed()
        states.append(breaker.is_open)
    assert states == [False, False, True]


def test_an_answer_in_between_begins_the_row_anew() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.answered()
    assert not breaker.is_open


def test_a_probe_counts_like_a_call_while_it_is_closed() -> None:
    breaker = Breaker()
    breaker.failed()
    breaker.probed(None)
    breaker.probed(FAST_S)
    breaker.probed(None)
    breaker.failed()
    assert not breaker.is_open
    breaker.probed(None)
    assert breaker.is_open


def test_only_a_probe_closes_it() -> None:
    breaker = opened()
    breaker.answered()  # one that was asked before
    assert breaker.is_open
    breaker.probed(FAST_S)
    assert not breaker.is_open


def test_once_closed_it_takes_as_many_failures_as_before() -> None:
    breaker = opened()
    breaker.probed(FAST_S)
    breaker.failed()
    breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_pauses_get_longer_up_to_a_bound_and_begin_anew() -> None:
    breaker = opened()
    pauses = []
    for _ in range(5):
        pauses.append(breaker.pause_s())
        breaker.probed(None)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    breaker.probed(FAST_S)
    assert breaker.pause_s() == POLICY.probe_interval_s
    for _ in range(3):
        breaker.failed()
    assert breaker.pause_s() == 1.0


def test_failures_of_calls_that_began_before_make_no_pause_longer() -> None:
    breaker = opened()
    for _ in range(100):
        breaker.failed()
    assert breaker.pause_s() == POLICY.first_pause_s


def test_slow_probes_in_a_row_open_it() -> None:
    breaker = Breaker()
    breaker.probed(SLOW_S)
    breaker.probed(FAST_S)
    breaker.probed(SLOW_S)
    assert not breaker.is_open
    breaker.probed(SLOW_S)
    assert breaker.is_open


def test_a_slow_probe_is_soon_followed_by_another() -> None:
    breaker = Breaker()
    breaker.probed(SLOW_S)
    assert breaker.pause_s() == POLICY.suspicious_interval_s
    breaker.probed(FAST_S)
    assert breaker.pause_s() == POLICY.probe_interval_s


def test_it_stays_open_while_probes_are_slow() -> None:
    breaker = opened()
    breaker.probed(SLOW_S)
    assert breaker.is_open
    assert breaker.pause_s() == 2.0
    breaker.probed(FAST_S)
    assert not breaker.is_open


@pytest.mark.parametrize("is_open", [False, True])
def test_a_process_that_is_late_itself_blames_nobody(*, is_open: bool) -> None:
    breaker = opened() if is_open else Breaker()
    for _ in range(5):
        breaker.probed(SLOW_S, is_loop_late=True)
    assert not breaker.is_open
