"""A promise of seconds that was missed while the host had the cores is measured again.

Each test that runs alone may be: the load tester takes its own figures for invalid for the same
reason and at the same limit. What fails without that fails; so does what fails three times.
"""

from typing import Final

import psutil
import pytest

from load_tester.figures.disturbance import STOLEN
from tests.scheduling import ALONE

_AGAIN: Final = 2


class Machine:
    """Notices how much of its processor time the host gives to others."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Look from now on."""
        self._before = psutil.cpu_times()

    def was_robbed(self) -> bool:
        """Say whether too much was taken since the beginning; only Linux tells."""
        return stolen_share(self._before, psutil.cpu_times()) >= STOLEN


def stolen_share(before: object, after: object) -> float:
    """Return which part of the time between two looks others had, of 1."""

    def spent_s(name: str) -> float:
        spent: float = getattr(after, name, 0.0) - getattr(before, name, 0.0)
        return spent

    # The rest, such as the time of guests, is counted in these already.
    total_s = sum(
        map(spent_s, ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"))
    )
    return spent_s("steal") / total_s if total_s > 0 else 0.0


_MACHINE: Final = Machine()


def pytest_runtest_logstart() -> None:
    """Look at each test by itself."""
    _MACHINE.begin()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have those measured again that may be."""
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker(pytest.mark.flaky(reruns=_AGAIN, condition=_MACHINE.was_robbed))
