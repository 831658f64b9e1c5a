from types import SimpleNamespace
from typing import cast

import pytest

from tests.scheduling import AloneAtTheEnd, in_order, sendable


def unit_of(nodeid: str) -> str:
    """Return with which others a test is handed out."""
    unit: str = AloneAtTheEnd.__new__(AloneAtTheEnd)._split_scope(nodeid)
    return unit


def test_small_tests_are_handed_out_file_by_file() -> None:
    first, second, other = (
        "tests/images/test_a.py::test_one",
        "tests/images/test_a.py::test_two[::]",
        "tests/images/test_b.py::test_one",
    )
    assert unit_of(first) == unit_of(second) != unit_of(other)


def test_all_tests_that_share_a_service_are_one_unit_of_work() -> None:
    first, second = "tests/hostile/http/test_a.py::test", "tests/hostile/test_b.py::test"
    assert unit_of(first) == unit_of(second) != unit_of("tests/end_to_end/test_a.py::test")


def test_all_tests_that_run_alone_are_one_unit_of_work() -> None:
    first, second = "tests/load_tester/engine/test_a.py::test", "tests/load_tester/cli/test_b.py::t"
    assert unit_of(first) == unit_of(second) != unit_of("tests/load_tester/plan/test_a.py::test")


def test_what_runs_alone_does_so_although_its_folder_shares_a_service() -> None:
    alone, shared = "tests/end_to_end/test_cancelling.py::test", "tests/end_to_end/test_a.py::test"
    assert unit_of(alone) == unit_of("tests/load_tester/engine/test_a.py::test") != unit_of(shared)
    items = [cast(pytest.Item, SimpleNamespace(nodeid=nodeid)) for nodeid in (alone, shared, "t")]
    assert [item.nodeid for item in in_order(items)] == [shared, "t", alone]


def test_the_longest_come_first_what_runs_alone_comes_last_and_else_the_order_stays() -> None:
    engine, hostile = "tests/load_tester/engine/a", "tests/hostile/a"
    nodeids = ["tests/b", engine, "tests/a", hostile, "tests/load_tester/cli/a"]
    items = [cast(pytest.Item, SimpleNamespace(nodeid=nodeid)) for nodeid in nodeids]
    assert [item.nodeid for item in in_order(items)] == [
        *(hostile, "tests/b", "tests/a", "tests/load_tester/cli/a", engine),
    ]


def test_a_log_line_of_anything_can_be_sent() -> None:
    assert sendable("a \ud800 b").encode() == b"a \\ud800 b"
