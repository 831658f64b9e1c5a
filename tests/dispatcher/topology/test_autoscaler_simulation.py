"""The policy over minutes of virtual time, with jobs that come and take as chance will have it.

A simulated replica works on one job at a time; the policy sees it once a second.
"""

import pytest

from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.autoscaler import ScalingPolicy
from tests.dispatcher.topology.scaling_simulation import (
    Load,
    Simulation,
    directions,
    settled_after_s,
)

UP_S, DOWN_S, END_S = 60, 240, 360
BACKLOG_S = ScalingPolicy().target_s * 1.1
SEEDS = range(4)


def five_times_as_much(base: float) -> Load:
    """A load that is five times as large for three minutes."""
    return lambda at_s: base * 5 if UP_S <= at_s < DOWN_S else base


@pytest.mark.parametrize("start_s", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("variation", [0.3, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_in_the_load_settles_within_a_minute_and_turns_around_once(
    start_s: float, variation: float, seed: int
) -> None:
    moments = Simulation(
        five_times_as_much(30), job_s=0.02, variation=variation, start_s=start_s, seed=seed
    ).run(END_S)
    before, up, down = moments[:UP_S], moments[UP_S:DOWN_S], moments[DOWN_S:]
    assert {moment.replicas for moment in before} == {1}
    assert settled_after_s(up, backlog_s=BACKLOG_S) <= 60
    assert settled_after_s(down, backlog_s=BACKLOG_S) <= 60
    assert directions(moments) <= 2
    assert up[-1].replicas in (4, 5)
    assert moments[-1].replicas == 1


@pytest.mark.parametrize("job_s", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("busy", [0.3, 0.6, 0.75])
@pytest.mark.parametrize("start_s", [1.0, 20.0])
def test_whatever_a_job_takes_the_backlog_is_gone_within_a_minute(
    job_s: float, busy: float, start_s: float
) -> None:
    load = five_times_as_much(busy / job_s)
    moments = Simulation(load, job_s=job_s, start_s=start_s).run(END_S)
    late = [moment.backlog_s for moment in moments[UP_S + 60 : DOWN_S]]
    assert sum(backlog_s > BACKLOG_S for backlog_s in late) <= 6
    assert directions(moments) <= 2
    assert max(moment.replicas for moment in moments) <= busy * 5 * 2 + 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_burst_is_worked_off_and_forgotten(seed: int) -> None:
    moments = Simulation(
        lambda at_s: 400.0 if 60 <= at_s < 65 else 3.0, job_s=0.1, start_s=2.0, seed=seed
    ).run(200)
    after = moments[60:]
    assert max(moment.replicas for moment in moments) > 4
    assert settled_after_s(after, backlog_s=BACKLOG_S) <= 75
    assert directions(moments) <= 2
    assert moments[-1].replicas == 1


def test_bursts_that_come_again_and_again_keep_what_they_need() -> None:
    moments = Simulation(lambda at_s: 60.0 if at_s % 20 < 5 else 2.0, job_s=0.1, start_s=2.0).run(
        400
    )
    later = moments[100:]
    assert min(moment.replicas for moment in later) >= 4
    assert directions(later) <= 2


def test_a_step_that_has_enough_is_left_alone() -> None:
    simulation = Simulation(lambda _: 26.0, job_s=0.1, bounds=ReplicaRange(4, 16))
    moments = simulation.run(600)
    assert {moment.replicas for moment in moments} == {4}


def test_a_queue_that_holds_little_hides_no_demand() -> None:
    moments = Simulation(five_times_as_much(60), job_s=0.01, start_s=2.0, capacity=20).run(END_S)
    assert moments[DOWN_S - 1].replicas >= 4
    assert directions(moments) <= 2


def test_a_load_that_nothing_can_carry_takes_what_may_be_and_stays() -> None:
    simulation = Simulation(lambda _: 200.0, job_s=0.1, bounds=ReplicaRange(1, 6), capacity=500)
    moments = simulation.run(200)
    assert {moment.replicas for moment in moments[60:]} == {6}
