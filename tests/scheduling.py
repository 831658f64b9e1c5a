"""Which tests run side by side, and which alone: for ``pytest -n``, that is ``./setup.sh test``.

Most tests are spread over all workers, file by file. Those of a folder that shares one running
service go to one worker, first, because they take longest. Those that measure how soon a process is
back or how punctual the load tester is, or need a dozen processes, come last: one worker runs all
of them when the others have nothing left.
"""

from collections.abc import Generator, Iterable
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER: Final = ("tests/end_to_end/", "tests/hostile/", "tests/page/")
ALONE: Final = (
    "tests/durability/test_crash_points.py",
    "tests/durability/test_kill_loop.py",
    "tests/durability/test_one_owner.py",
    "tests/durability/test_orphans.py",
    "tests/durability/test_shutdown.py",
    "tests/end_to_end/test_cancelling.py",
    "tests/dispatcher/delivery/test_isolation.py",
    "tests/load_tester/test_pacing.py",
    "tests/load_tester/targets/",
    "tests/load_tester/swarm/",
    "tests/load_tester/generator/",
    "tests/load_tester/test_session.py",
    "tests/load_tester/cli/",
    "tests/load_tester/engine/",
    "tests/cluster/",
)
"""A promise of seconds is measured on a machine that does nothing else; the load tester calls a run
invalid when other processes had the cores; a crew of dispatchers and their servers take them from
everybody else."""


class AloneAtTheEnd(LoadScopeScheduling):  # type: ignore[misc]  # no types
    """Hands out files; what runs together or alone is one unit of work, which is never split."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ALONE):
            return "alone"
        shared = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None)
        return shared or nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> AloneAtTheEnd:
    """Tell pytest-xdist how to hand out tests."""
    config.option.loadscopereorder = False
    return AloneAtTheEnd(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into their order, with and without workers."""
    items[:] = in_order(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what a test has logged fit to be sent by a worker."""
    report = yield
    report.sections = [(name, sendable(text)) for name, text in report.sections]
    return report


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests as they have their turns."""
    return sorted(items, key=lambda item: _turn(item.nodeid))


def sendable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which only exist in Python's memory."""
    return text.encode(errors="backslashreplace").decode()


def _turn(nodeid: str) -> int:
    alone = next((turn for turn, folder in enumerate(ALONE, 1) if nodeid.startswith(folder)), 0)
    return -1 if not alone and nodeid.startswith(TOGETHER) else alone
