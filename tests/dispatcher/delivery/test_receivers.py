from dispatcher.delivery.receivers import (
    MAX_CALLS,
    MAX_CALLS_EACH,
    MAX_SLOW_CALLS_EACH,
    SLOW_AFTER_S,
    Receivers,
)
from dispatcher.jobs import Delivery


def line_up(receivers: Receivers, name: str, count: int) -> None:
    for number in range(count):
        receivers.add(name, Delivery(f"{name}-{number}", due_at=0.0))


def take_all(receivers: Receivers) -> list[str]:
    """Start all calls that may be open now; return to whom."""
    taken = []
    while (turn := receivers.take()) is not None:
        taken.append(turn[0])
    return taken


def answer_all(receivers: Receivers, names: list[str], *, after_s: float | None = 0.01) -> None:
    for name in names:
        receivers.put_back(name, answered_after_s=after_s)


def grow(receivers: Receivers, name: str, *, rounds: int = 8) -> list[str]:
    """Let a receiver answer everything for a while; return the calls that are open then."""
    line_up(receivers, name, 1000)
    opened = take_all(receivers)
    for _ in range(rounds):
        answer_all(receivers, opened)
        opened = take_all(receivers)
    return opened


def test_what_is_due_goes_out_in_its_order() -> None:
    receivers = Receivers()
    line_up(receivers, "a", 3)
    ids = []
    while (turn := receivers.take()) is not None:
        ids.append(turn[1].job_id)
        receivers.put_back("a", answered_after_s=0.01)
    assert ids == ["a-0", "a-1", "a-2"]


def test_a_receiver_may_have_one_call_at_first_and_twice_as_many_with_each_answer() -> None:
    receivers = Receivers()
    line_up(receivers, "a", 100)
    assert take_all(receivers) == ["a"]
    answer_all(receivers, ["a"])
    assert take_all(receivers) == ["a"] * 2
    answer_all(receivers, ["a"])
    assert take_all(receivers) == ["a"] * 3, "one is still open"


def test_a_receiver_that_answers_has_many_calls_but_not_all() -> None:
    assert len(grow(Receivers(), "a")) == MAX_CALLS_EACH < MAX_CALLS


def test_a_receiver_that_does_not_answer_has_one() -> None:
    receivers = Receivers()
    opened = grow(receivers, "a")
    answer_all(receivers, opened, after_s=None)
    assert take_all(receivers) == ["a"]


def test_a_receiver_that_takes_its_time_has_a_few() -> None:
    receivers = Receivers()
    opened = grow(receivers, "a")
    for _ in range(5):
        answer_all(receivers, opened, after_s=SLOW_AFTER_S + 1)
        opened = take_all(receivers)
    assert len(opened) == MAX_SLOW_CALLS_EACH


def test_receivers_take_turns() -> None:
    receivers = Receivers()
    grow(receivers, "busy")
    for name in ("b", "c"):
        line_up(receivers, name, 2)
    answer_all(receivers, ["busy"] * 2)
    assert take_all(receivers)[:3] == ["b", "c", "busy"]


def test_hundreds_of_silent_receivers_leave_room_for_others() -> None:
    receivers = Receivers()
    for number in range(MAX_CALLS - 1):
        line_up(receivers, f"silent-{number}", 100)
    assert len(take_all(receivers)) == MAX_CALLS - 1
    line_up(receivers, "good", 1)
    assert take_all(receivers) == ["good"]


def test_no_more_calls_are_open_than_allowed() -> None:
    receivers = Receivers()
    for number in range(MAX_CALLS + 10):
        line_up(receivers, f"r-{number}", 1)
    taken = take_all(receivers)
    assert len(taken) == MAX_CALLS
    answer_all(receivers, taken[:10])
    assert len(take_all(receivers)) == 10
    assert take_all(receivers) == []


def test_a_receiver_with_nothing_to_do_is_forgotten() -> None:
    receivers = Receivers()
    line_up(receivers, "a", 1)
    assert len(receivers) == 1
    answer_all(receivers, take_all(receivers))
    assert len(receivers) == 0
