import pytest

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.changes import StepChange, read_change
from dispatcher.pipelines.replica_range import ReplicaRange, Replicas

ORDER = ["0", "1", "2"]


def read(document: object, step_id: str = "0") -> StepChange:
    return read_change(document, step_id=step_id, order=ORDER, now=Replicas.fixed(1))


def test_replicas_alone_leave_the_route_as_it_is() -> None:
    assert read({"replicas": 64}) == StepChange(replicas=64)


def test_another_next_step_alone_leaves_the_replicas_as_they_are() -> None:
    assert read({"preferred_next": 2}) == StepChange(is_rerouted=True, preferred_next="2")
    assert read({"preferred_next": None}) == StepChange(is_rerouted=True)


def test_both_may_change_at_once() -> None:
    change = read({"replicas": 2, "preferred_next": "1"})
    assert change == StepChange(replicas=2, is_rerouted=True, preferred_next="1")


@pytest.mark.parametrize(
    "document",
    [
        {}, [], None, "replicas", 3, {"replicas": 0}, {"replicas": 65}, {"replicas": 1.5},
        {"replicas": True}, {"replicas": None}, {"replicas": "2"}, {"preferred_next": 0},
        {"preferred_next": 3}, {"preferred_next": []}, {"type": "blur"},
        {"replicas": 2, "params": {}},
    ],
    ids=str,
)  # fmt: skip
def test_anything_else_is_no_change_of_that_step(document: object) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^step 0"):
        read(document)


def test_after_the_last_step_comes_none() -> None:
    with pytest.raises(InvalidPipelineError, match=r"step 2: .* later steps: none"):
        read({"preferred_next": 0}, step_id="2")


def test_bounds_are_changed_with_the_number_that_they_leave() -> None:
    change = read({"max_replicas": 4})
    assert change == StepChange(replicas=1, replica_range=ReplicaRange(1, 4))
    ranged = Replicas(3, ReplicaRange(1, 4))
    closed = read_change(
        {"min_replicas": 2, "max_replicas": 2}, step_id="0", order=ORDER, now=ranged
    )
    assert closed == StepChange(replicas=2, replica_range=ReplicaRange(2, 2))
    rerouted = read_change({"preferred_next": 1}, step_id="0", order=ORDER, now=ranged)
    assert (rerouted.replicas, rerouted.replica_range) == (None, None)
