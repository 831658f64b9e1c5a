import random
from collections.abc import Sequence
from typing import Any

import pytest

from step_app.contract.routes import StepDocument, active_route, next_active

ALL = ("0", "1", "2", "3")


def steps(**preferred: Any) -> list[StepDocument]:
    """Return four steps; ``_1=3`` lets step 1 prefer step 3."""
    return [
        {"id": number, "type": "blur", "preferred_next": preferred.get(f"_{number}")}
        for number in range(4)
    ]


@pytest.mark.parametrize(
    ("step_id", "active", "expected"),
    [
        ("0", ALL, "1"),
        ("2", ALL, "3"),
        ("3", ALL, None),
        ("0", ("0", "2", "3"), "2"),
        ("0", ("0", "3"), "3"),
        ("0", ("0",), None),
        ("0", (), None),
        ("2", ("0", "1", "2"), None),
        ("1", ("2", "3"), "2"),
    ],
)
def test_the_first_active_step_after_this_one_follows(
    step_id: str, active: Sequence[str], expected: str | None
) -> None:
    assert next_active(steps(), step_id, active=active) == expected


def test_the_order_is_that_of_the_pipeline_whatever_the_ids_are() -> None:
    documents: list[StepDocument] = [{"id": "b"}, {"id": 7}, {"id": "a"}]
    assert next_active(documents, "b", active={"a", "7"}) == "7"
    assert active_route(documents, active={"a", "7", "b"}) == ["b", "7", "a"]


@pytest.mark.parametrize("preferred", [3, "3"])
def test_a_preferred_step_that_is_active_follows(preferred: int | str) -> None:
    assert next_active(steps(_0=preferred), "0", active=ALL) == "3"
    assert active_route(steps(_0=preferred), active=ALL) == ["0", "3"]


def test_without_the_preferred_step_the_first_active_one_follows() -> None:
    assert next_active(steps(_0=3), "0", active=("0", "1", "2")) == "1"
    assert next_active(steps(_0=2), "0", active=("0", "3")) == "3"


@pytest.mark.parametrize("preferred", [0, 1, "none", "", False, -1, [], {}])
def test_a_preference_for_no_later_step_does_not_count(preferred: Any) -> None:
    assert next_active(steps(_1=preferred), "1", active=ALL) == "2"


def test_a_step_without_a_preference_need_not_say_so() -> None:
    assert next_active([{"id": 0}, {"id": 1}], "0", active=("1",)) == "1"


def test_a_route_begins_at_the_first_active_step() -> None:
    assert active_route(steps(), active=ALL) == ["0", "1", "2", "3"]
    assert active_route(steps(), active=("1", "3")) == ["1", "3"]
    assert active_route(steps(_1=3), active=("1", "2", "3")) == ["1", "3"]
    assert active_route(steps(), active=()) == []
    assert active_route([], active=ALL) == []


def test_every_route_ends_and_passes_active_steps_in_their_order() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        ids = [str(number) for number in range(rng.randrange(1, 9))]
        documents = [{"id": id_, "preferred_next": rng.choice([None, *ids])} for id_ in ids]
        active = set(rng.sample(ids, rng.randrange(len(ids) + 1)))
        route = active_route(documents, active=active)
        assert route == sorted(set(route), key=ids.index)
        assert set(route) <= active
        assert bool(route) == bool(active)
        if active:
            assert route[-1] == max(active, key=ids.index)
