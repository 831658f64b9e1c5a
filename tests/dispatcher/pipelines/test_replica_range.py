import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.replica_range import (
    ReplicaRange,
    Replicas,
    read_changed_replicas,
    read_replicas,
)

NUMBERS = st.integers(min_value=1, max_value=64)


def replicas(count: int, low: int, high: int) -> Replicas:
    return Replicas(count, ReplicaRange(low, high))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, (1, 1, 1)),
        ({"replicas": 3}, (3, 3, 3)),
        ({"max_replicas": 4}, (1, 1, 4)),
        ({"min_replicas": 2}, (2, 2, 2)),
        ({"min_replicas": 2, "max_replicas": 4}, (2, 2, 4)),
        ({"replicas": 3, "min_replicas": 2, "max_replicas": 4}, (3, 2, 4)),
        ({"replicas": 3, "min_replicas": 1}, (3, 1, 3)),
    ],
    ids=str,
)
def test_what_is_not_said_of_a_new_step_follows_from_the_rest(
    given: dict[str, int], meant: tuple[int, int, int]
) -> None:
    assert read_replicas(given, where="step 0") == replicas(*meant)


@pytest.mark.parametrize(
    ("now", "change", "then"),
    [
        ((1, 1, 1), {"replicas": 3}, (3, 3, 3)),
        ((2, 2, 2), {"max_replicas": 4}, (2, 2, 4)),
        ((3, 3, 3), {"replicas": 2, "max_replicas": 4}, (2, 2, 4)),
        ((3, 1, 4), {"replicas": 2}, (2, 1, 4)),
        ((3, 1, 4), {"max_replicas": 2}, (2, 1, 2)),
        ((1, 1, 4), {"min_replicas": 2}, (2, 2, 4)),
        ((3, 1, 4), {"min_replicas": 5, "max_replicas": 5}, (5, 5, 5)),
        ((3, 1, 4), {"replicas": 6, "max_replicas": 8}, (6, 1, 8)),
    ],
    ids=str,
)
def test_what_a_change_does_not_say_stays_as_far_as_it_can(
    now: tuple[int, int, int], change: dict[str, int], then: tuple[int, int, int]
) -> None:
    assert read_changed_replicas(change, replicas(*now), where="step 0") == replicas(*then)


@pytest.mark.parametrize(
    "raw",
    [
        {"min_replicas": 3, "max_replicas": 2}, {"replicas": 3, "max_replicas": 2},
        {"replicas": 1, "min_replicas": 2}, {"min_replicas": 0}, {"max_replicas": 65},
        {"max_replicas": None}, {"min_replicas": True}, {"max_replicas": "2"},
        {"replicas": 1.5, "max_replicas": 2},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_and_names_the_step(raw: dict[str, object]) -> None:
    with pytest.raises(InvalidPipelineError, match=r"^step a: "):
        read_replicas(raw, where="step a")
    with pytest.raises(InvalidPipelineError, match=r"^step a: "):
        read_changed_replicas(raw, replicas(2, 2, 2), where="step a")


@given(
    raw=st.dictionaries(st.sampled_from(["replicas", "min_replicas", "max_replicas"]), NUMBERS),
    low=NUMBERS,
    more=st.integers(min_value=0, max_value=10),
    above=st.integers(min_value=0, max_value=10),
)
def test_the_number_is_always_within_its_bounds(
    raw: dict[str, int], low: int, more: int, above: int
) -> None:
    now = replicas(low + more, low, low + more + above)
    found = []
    with contextlib.suppress(InvalidPipelineError):
        found.append(read_replicas(raw, where="step 0"))
    with contextlib.suppress(InvalidPipelineError):
        found.append(read_changed_replicas(raw, now, where="step 0"))
    for each in found:
        assert 1 <= each.range.min <= each.count <= each.range.max
        told = {"replicas": each.count, "min_replicas": each.range.min}
        assert raw.items() <= {**told, "max_replicas": each.range.max}.items()
