"""What a dispatcher consumes, decided with a clock of the test's own."""

import pytest

from dispatcher.jobs import Priority
from dispatcher.queues.declarations import DEAD, queue_name, queue_names
from dispatcher.queues.demand import NO_ROOM_FOR_S, UNSERVED_FOR_S, Demand


class Clock:
    """Monotonic time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def demand(clock: Clock) -> Demand:
    return Demand(clock=clock)


def lanes_of(demand: Demand) -> dict[str, int]:
    """The lanes that are consumed, and how much of each at a time."""
    wanted = demand.wanted()
    assert wanted.pop(DEAD, None)
    lanes = {name.split(".")[1]: prefetch for name, prefetch in wanted.items()}
    assert wanted == {
        name: prefetch for lane, prefetch in lanes.items() for name in queue_names(lane).values()
    }, "of each lane all priorities"
    return lanes


def test_queues_are_named_after_lane_and_priority() -> None:
    assert queue_name("default", Priority.NORMAL) == "conveyor.default.normal"
    assert list(queue_names("x").values()) == [
        f"conveyor.x.{p}" for p in ("high", "normal", "bulk")
    ]


def test_who_only_accepts_jobs_consumes_nothing(demand: Demand) -> None:
    assert demand.wanted() == {}
    demand.note_served({"a": False}, is_leader=True)
    assert demand.wanted() == {}
    assert not demand.is_worker


def test_as_much_is_consumed_as_there_is_room_for(demand: Demand) -> None:
    assert demand.offer({"a": 1, "b": 2, "c": 3, "d": 16, "e": 17, "none": 0})
    assert lanes_of(demand) == {"a": 1, "b": 2, "c": 4, "d": 16, "e": 32}
    assert not demand.offer({"a": 1, "b": 2, "c": 4, "d": 15, "e": 18, "none": 0})
    assert demand.is_worker


def test_a_prefetch_count_that_was_set_is_taken_wherever_there_is_room(clock: Clock) -> None:
    demand = Demand(prefetch_count=5, clock=clock)
    demand.offer({"a": 1, "b": 100, "c": 0})
    assert lanes_of(demand) == {"a": 5, "b": 5}


def test_a_lane_without_room_is_kept_for_a_while(demand: Demand, clock: Clock) -> None:
    demand.offer({"a": 4})
    for passed_s in (0.0, NO_ROOM_FOR_S / 2, NO_ROOM_FOR_S / 2 - 1):
        clock.now += passed_s
        assert not demand.offer({"a": 0})
        assert lanes_of(demand) == {"a": 4}
    clock.now += 1.0
    assert demand.offer({"a": 0})
    assert lanes_of(demand) == {}


def test_room_that_comes_back_begins_the_while_anew(demand: Demand, clock: Clock) -> None:
    demand.offer({"a": 4})
    for _ in range(3):
        demand.offer({"a": 0})
        clock.now += NO_ROOM_FOR_S - 1
        demand.offer({"a": 0})
        assert lanes_of(demand) == {"a": 4}
        demand.offer({"a": 4})


def test_who_pauses_or_has_no_such_pipeline_leaves_its_lane_at_once(demand: Demand) -> None:
    demand.offer({"a": 4, "b": 4})
    demand.offer({"b": 4})
    assert lanes_of(demand) == {"b": 4}
    assert demand.offer(None)
    assert demand.wanted() == {}
    assert not demand.is_worker


def test_without_any_pipeline_what_nobody_serves_is_minded_all_the_same(
    demand: Demand, clock: Clock
) -> None:
    assert demand.offer({})
    assert demand.is_worker
    demand.note_served({"deleted": False}, is_leader=True)
    assert lanes_of(demand) == {}, "but unreadable messages are"
    clock.now += UNSERVED_FOR_S
    demand.note_served({"deleted": False}, is_leader=True)
    assert lanes_of(demand) == {"deleted": 1}
    demand.offer(None)
    assert demand.wanted() == {}


def test_what_nobody_serves_is_served_by_one_after_a_minute(demand: Demand, clock: Clock) -> None:
    demand.offer({"mine": 4})
    demand.note_served({"deleted": False, "theirs": True}, is_leader=True)
    assert lanes_of(demand) == {"mine": 4}
    clock.now += UNSERVED_FOR_S
    demand.note_served({"deleted": False, "theirs": True}, is_leader=True)
    assert lanes_of(demand) == {"mine": 4, "deleted": 1}
    demand.note_served({}, is_leader=True)
    assert lanes_of(demand) == {"mine": 4}, "it is empty now"


def test_what_nobody_serves_is_left_to_the_one_who_minds_it(demand: Demand, clock: Clock) -> None:
    demand.offer({"mine": 4})
    demand.note_served({"deleted": False}, is_leader=False)
    clock.now += UNSERVED_FOR_S
    demand.note_served({"deleted": False}, is_leader=False)
    assert lanes_of(demand) == {"mine": 4}


def test_who_can_serve_a_lane_is_not_helped_any_more(demand: Demand, clock: Clock) -> None:
    demand.offer({"mine": 4})
    demand.note_served({"late": False}, is_leader=True)
    clock.now += UNSERVED_FOR_S
    demand.note_served({"late": False}, is_leader=True)
    assert "late" in lanes_of(demand)
    demand.note_served({"late": True}, is_leader=True)
    assert "late" not in lanes_of(demand)
