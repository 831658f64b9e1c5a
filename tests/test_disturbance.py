from types import SimpleNamespace
from typing import cast

import pytest

from load_tester.figures.disturbance import STOLEN
from tests.disturbance import Machine, pytest_collection_modifyitems, stolen_share


def times(*, steal: float, idle: float = 0.0, user: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(steal=steal, idle=idle, user=user, guest=1000.0)


def test_what_others_had_is_a_part_of_all_the_time() -> None:
    before, after = times(steal=10, idle=5, user=5), times(steal=11, idle=7, user=12)
    assert stolen_share(before, after) == pytest.approx(0.1)


def test_a_system_that_does_not_tell_takes_nothing() -> None:
    assert stolen_share(SimpleNamespace(user=1.0), SimpleNamespace(user=2.0)) == 0.0
    assert stolen_share(times(steal=1), times(steal=1)) == 0.0


@pytest.mark.parametrize(("steal", "is_robbed"), [(STOLEN / 2, False), (2 * STOLEN, True)])
def test_a_machine_is_robbed_when_the_load_tester_would_say_so(
    steal: float, is_robbed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.cpu_times", lambda: times(steal=0, user=0))
    machine = Machine()
    monkeypatch.setattr(
        "psutil.cpu_times", lambda: times(steal=100 * steal, user=100 - 100 * steal)
    )
    assert machine.was_robbed() is is_robbed
    machine.begin()
    assert not machine.was_robbed(), "it is looked at from now on"


class Item:
    """A collected test."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid
        self.marks: list[pytest.MarkDecorator] = []

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark)


def test_only_what_runs_alone_is_measured_again() -> None:
    items = [Item("tests/durability/test_orphans.py::test"), Item("tests/dispatcher/test_a.py::t")]
    pytest_collection_modifyitems(cast(list[pytest.Item], items))
    (mark,) = items[0].marks
    assert (mark.name, mark.kwargs["reruns"]) == ("flaky", 2)
    assert items[1].marks == []
