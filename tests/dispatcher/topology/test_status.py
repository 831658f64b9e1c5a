import pytest

from dispatcher.topology.status import ReplicaCounts, TopologyState, pipeline_state, step_state

STARTING, READY, DEGRADED, FAILED = (
    TopologyState.STARTING,
    TopologyState.READY,
    TopologyState.DEGRADED,
    TopologyState.FAILED,
)


@pytest.mark.parametrize(
    ("ready", "is_refused", "is_troubled", "state"),
    [
        (2, False, False, READY),
        (1, False, False, STARTING),
        (0, False, False, STARTING),
        (1, False, True, DEGRADED),
        (0, False, True, DEGRADED),
        (0, True, False, FAILED),
        (1, True, True, FAILED),
    ],
)
def test_a_step_is_as_its_replicas_are(
    ready: int, is_refused: bool, is_troubled: bool, state: TopologyState
) -> None:
    counts = ReplicaCounts(desired=2, running=2, ready=ready, min=2, max=2)
    assert step_state(counts, is_refused=is_refused, is_troubled=is_troubled) is state


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([READY], READY),
        ([READY, STARTING], STARTING),
        ([STARTING, DEGRADED, READY], DEGRADED),
        ([READY, DEGRADED, FAILED, STARTING], FAILED),
    ],
)
def test_a_pipeline_is_like_the_worst_of_its_steps(
    steps: list[TopologyState], state: TopologyState
) -> None:
    assert pipeline_state(steps) is state
