"""How many replicas a step gets: one rule after the other."""

from dataclasses import replace

import pytest

from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.autoscaler import (
    Decision,
    History,
    Observation,
    ScalingPolicy,
    decide,
)

POLICY = ScalingPolicy()


class Scene:
    """A step whose jobs cost a tenth of a second each, seen once a second."""

    def __init__(
        self, *, desired: int = 1, ready: int | None = None, low: int = 1, high: int = 10
    ) -> None:
        self.history = History()
        self.now = Observation(
            at_s=1000.0,
            pending=0,
            ended=0,
            turned_away=0,
            busy_s=0.0,
            ready=desired if ready is None else ready,
            desired=desired,
            bounds=ReplicaRange(low, high),
        )

    def second(
        self, *, ended: int = 0, pending: int = 0, turned_away: int = 0, ready: int | None = None
    ) -> Decision:
        """Let a second pass in which so many jobs ended, and follow what is decided."""
        self.now = replace(
            self.now,
            at_s=self.now.at_s + 1,
            ended=self.now.ended + ended,
            busy_s=self.now.busy_s + ended * 0.1,
            pending=pending,
            turned_away=self.now.turned_away + turned_away,
            ready=self.now.desired if ready is None else ready,
        )
        decision = decide(self.now, self.history, POLICY)
        self.history = decision.history
        self.now = replace(self.now, desired=decision.replicas)
        return decision

    def calm(self, seconds: int, *, ended: int = 5) -> Decision:
        """Let seconds pass in which jobs come and are done at once."""
        for _ in range(seconds - 1):
            self.second(ended=ended)
        return self.second(ended=ended)


def test_nothing_is_done_before_it_is_known_what_a_job_costs() -> None:
    decision = Scene().second(pending=1000)
    assert (decision.replicas, decision.backlog_s) == (1, None)


def test_a_step_without_work_has_no_backlog() -> None:
    assert Scene().second().backlog_s == 0.0


def test_the_backlog_is_what_the_ready_replicas_have_to_do() -> None:
    scene = Scene(desired=2, low=2)
    scene.calm(10)
    assert scene.second(ended=5, pending=30).backlog_s == pytest.approx(30 * 0.1 / 2)


def test_a_backlog_within_its_target_changes_nothing() -> None:
    scene = Scene()
    scene.calm(10)
    assert scene.second(ended=10, pending=21).replicas == 1, "within the tolerance"


def test_one_beyond_it_gets_at_once_what_clears_it() -> None:
    scene = Scene(high=4)
    scene.calm(10)
    assert scene.second(ended=10, pending=200).replicas == 4


def test_no_more_are_had_than_may_be_and_no_fewer() -> None:
    scene = Scene(desired=2, low=2, high=3)
    scene.calm(10)
    assert scene.second(ended=10, pending=10_000).replicas == 3
    assert scene.calm(120, ended=0).replicas == 2


def test_growth_is_bounded_in_a_while() -> None:
    scene = Scene(high=100)
    scene.calm(20)
    steps = [scene.second(ended=10, pending=50_000).replicas for _ in range(36)]
    assert steps[0] == 5
    assert max(steps[:15]) == 5
    assert max(steps[:31]) == 10
    assert max(steps) == 20


def test_a_step_without_a_range_stays_as_it_is() -> None:
    scene = Scene(desired=3, low=3, high=3)
    scene.calm(10)
    assert scene.second(ended=10, pending=1000).replicas == 3
    assert scene.calm(100, ended=0).replicas == 3


def test_replicas_that_start_count_as_if_they_were_there() -> None:
    scene = Scene(high=50)
    scene.calm(20)
    scene.now = replace(scene.now, desired=5)
    for pending in range(20, 80, 5):  # grows while they start, as it must
        assert scene.second(ended=10, pending=pending, ready=1).replicas == 5


def test_how_long_a_start_takes_is_learnt() -> None:
    scene = Scene()
    scene.calm(10)
    scene.second(ended=10, pending=1000)
    for _ in range(6):
        assert scene.second(ended=10, pending=1000, ready=1).history.start_s is None
    assert scene.second(ended=10, pending=1000).history.start_s == 6.0, "since it was seen"


def test_jobs_that_are_turned_away_are_demand_however_short_the_queue_is() -> None:
    scene = Scene()
    scene.calm(10, ended=10)
    for _ in range(10):
        decision = scene.second(ended=10, pending=5, turned_away=20)
    assert decision.replicas >= 3


def test_some_that_are_turned_away_do_not_scale_a_step_that_has_enough() -> None:
    scene = Scene(desired=4)
    scene.calm(50, ended=20)
    before = scene.now.desired
    assert scene.second(ended=20, turned_away=1).replicas == before


def test_fewer_are_had_only_when_nothing_asked_for_more_for_a_while() -> None:
    scene = Scene(desired=4)
    scene.calm(60, ended=25)
    assert scene.now.desired == 4
    counts = [scene.second(ended=5).replicas for _ in range(60)]
    assert counts[: int(POLICY.stabilization_s) - 1] == [4] * (int(POLICY.stabilization_s) - 1)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1


def test_nothing_is_taken_away_while_there_is_too_much_to_do() -> None:
    scene = Scene(desired=5)
    scene.calm(20, ended=30)
    for pending in range(600, 150, -10):
        assert scene.second(ended=10, pending=pending).replicas >= 5


def test_jobs_in_work_are_no_backlog_where_each_takes_long() -> None:
    history, desired = History(), 2
    for second in range(120):
        now = Observation(
            at_s=float(second),
            pending=4,
            ended=second // 5,
            turned_away=0,
            busy_s=2.0 * second,
            ready=desired,
            desired=desired,
            bounds=ReplicaRange(1, 10),
        )
        decision = decide(now, history, POLICY)
        history, desired = decision.history, decision.replicas
    assert history.job_s == pytest.approx(10, rel=0.1)
    assert desired <= 3


def test_a_step_that_was_made_anew_is_measured_anew() -> None:
    scene = Scene(desired=2, low=2)
    scene.calm(30)
    scene.now = replace(scene.now, ended=0, busy_s=0.0)
    decision = scene.second(pending=100)
    assert (decision.replicas, decision.backlog_s) == (2, None)
