import asyncio

import pytest

from dispatcher.errors import ResultsUnavailableError
from dispatcher.results.errands import Errands


@pytest.mark.parametrize("error", [ResultsUnavailableError(), ValueError()])
async def test_an_errand_that_fails_is_run_again(error: Exception) -> None:
    errands, runs, enough = Errands(), 0, asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            enough.set()
        raise error

    errands.every(0.0, run)
    async with asyncio.timeout(5):
        await enough.wait()
    await errands.close()


async def test_what_is_to_be_done_once_is_done_before_the_end() -> None:
    errands, may_end, done = Errands(), asyncio.Event(), []

    async def run() -> None:
        await may_end.wait()
        done.append("this")

    errands.aside(run())
    closing = asyncio.create_task(errands.close())
    await asyncio.sleep(0)
    may_end.set()
    await closing
    assert done == ["this"]


async def test_what_never_ends_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.results.errands._LAST_S", 0.01)
    errands = Errands()
    errands.aside(asyncio.Event().wait())
    errands.loop(_for_ever())
    async with asyncio.timeout(5):
        await errands.close()


async def _for_ever() -> None:
    await asyncio.Event().wait()
