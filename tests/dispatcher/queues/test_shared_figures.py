"""Figures of all dispatchers: the last look at the backlog, and what was done since."""

import pytest

from dispatcher.jobs import Job, Priority
from dispatcher.queues.places import LaneSnapshot, Snapshot
from dispatcher.queues.shared_figures import STALE_AFTER_S, SharedFigures
from tests.dispatcher.records import make_job

NOW = 1000.0


class Clock:
    """Unix time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def figures(clock: Clock) -> SharedFigures:
    return SharedFigures(clock=clock)


def lane(*ids: str, waiting: int | None = None, oldest_at: float | None = None) -> LaneSnapshot:
    """A lane in which these jobs wait, ten bytes each, and more that are only counted."""
    count = len(ids) if waiting is None else waiting
    return LaneSnapshot(count, 0, 10 * count, oldest_at or (NOW - 5 if count else None), ids)


def look(figures: SharedFigures, *held: Job, **lanes: LaneSnapshot) -> bool:
    """Look at a backlog in which one tenant has everything."""
    tenants = {"alice": sum(each.waiting for each in lanes.values())}
    return figures.take(Snapshot(lanes, tenants), figures.begin_look(), held=held)


def a_job(name: str, *, came_s: float = 0.0, **changes: object) -> Job:
    return make_job(name, queued_at=NOW + came_s, tenant="alice", size_bytes=10, **changes)


def test_what_a_look_shows_is_told(figures: SharedFigures) -> None:
    assert look(figures, default=lane("a", "b"), other=lane("c", waiting=7))
    assert (figures.depth(), figures.waiting_bytes(), figures.waiting_of("alice")) == (9, 90, 9)
    assert sorted(figures.lanes()) == ["default", "other"]
    assert [figures.position(name) for name in ("a", "b", "c", "d")] == [0, 1, 0, None]
    assert figures.oldest_age_s() == 5.0


def test_what_was_done_since_is_told_at_once(figures: SharedFigures) -> None:
    look(figures, default=lane("a", "b"))
    figures.note_waiting(a_job("c"))
    assert (figures.depth(), figures.position("c"), figures.waiting_bytes()) == (3, 2, 30)
    figures.note_waiting(a_job("c"))
    assert figures.depth() == 3, "it is one job"
    figures.note_gone("a")
    figures.note_gone("a")
    assert (figures.depth(), figures.position("c")) == (2, 1)
    figures.note_gone("c")
    assert (figures.depth(), figures.waiting_of("alice")) == (1, 2)


def test_a_look_takes_the_place_of_what_was_known(figures: SharedFigures) -> None:
    figures.note_waiting(a_job("a"))
    assert look(figures, default=lane("b"))
    assert (figures.depth(), figures.position("a"), figures.position("b")) == (1, None, 0)
    assert look(figures)
    assert (figures.depth(), figures.lanes(), figures.oldest_age_s()) == (0, [], 0.0)


def test_a_look_that_something_was_done_during_is_not_believed(figures: SharedFigures) -> None:
    look(figures, default=lane("a"))
    before = figures.begin_look()
    with figures.changing():
        figures.note_waiting(a_job("b"))
    assert not figures.take(Snapshot({"default": lane("a")}, {}), before, held=[])
    assert figures.depth() == 2
    with figures.changing():
        assert not look(figures, default=lane("a"))
    assert look(figures, default=lane("a"))
    assert figures.depth() == 1


def test_under_constant_change_a_look_is_believed_now_and_then(
    figures: SharedFigures, clock: Clock
) -> None:
    look(figures, default=lane("a"))
    with figures.changing():
        clock.now += STALE_AFTER_S - 0.1
        assert not look(figures, default=lane("b"))
        clock.now += 0.2
        assert look(figures, default=lane("b"))


def test_an_urgent_job_stands_before_those_that_were_looked_at(figures: SharedFigures) -> None:
    known = [a_job("a", came_s=1), a_job("b", came_s=2)]
    look(figures, *known, default=lane("a", "unknown", "b"))
    figures.note_waiting(a_job("urgent", came_s=3, priority=Priority.HIGH))
    figures.note_waiting(a_job("last", came_s=3))
    names = ("urgent", "a", "unknown", "b", "last")
    assert [figures.position(name) for name in names] == [0, 1, 2, 3, 4]


def test_the_oldest_age_follows_the_one_who_is_left(figures: SharedFigures, clock: Clock) -> None:
    for name, came_s in (("old", 0.0), ("young", 4.0)):
        figures.note_waiting(a_job(name, came_s=came_s))
    clock.now += 10
    assert figures.oldest_age_s() == 10.0
    figures.note_gone("old")
    assert figures.oldest_age_s() == 6.0
    figures.note_gone("young")
    assert figures.oldest_age_s() == 0.0


def test_the_oldest_of_a_look_counts_until_it_is_gone(figures: SharedFigures) -> None:
    old = a_job("old", came_s=-5.0)
    look(figures, old, default=lane("old", "unknown"))
    assert figures.oldest_age_s() == 5.0
    figures.note_gone("old")
    assert figures.oldest_age_s() == 0.0, "how old the other is will be known at the next look"


def test_in_a_long_lane_jobs_that_were_only_counted_are_not_counted_twice(
    figures: SharedFigures,
) -> None:
    look(figures, default=lane("a", "b", waiting=5000))
    figures.note_waiting(a_job("delivered"))
    assert figures.depth() == 5000
    figures.note_gone("delivered")
    assert figures.depth() == 4999
