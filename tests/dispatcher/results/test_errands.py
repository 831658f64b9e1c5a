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


async def test_what_begins_another_errand_is_waited_for_to_the_last() -> None:
    errands, done = Errands(), list[str]()

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        errands.aside(second())

    errands.aside(first())
    await errands.close()
    assert done == ["second"]


async def test_what_is_seen_through_outlives_its_caller_and_is_done_before_the_end() -> None:
    errands, may_end, done = Errands(), asyncio.Event(), list[str]()

    async def run() -> str:
        await may_end.wait()
        done.append("this")
        return "an answer"

    stopped, patient = (asyncio.create_task(errands.see_through(run())) for _ in range(2))
    await asyncio.sleep(0)
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    closing = asyncio.create_task(errands.close())
    may_end.set()
    await closing
    assert done == ["this", "this"]
    assert await patient == "an answer"


async def test_a_failure_of_what_is_seen_through_is_the_callers() -> None:
    async def fail() -> None:
        raise ValueError("its own")

    errands = Errands()
    with pytest.raises(ValueError, match="its own"):
        await errands.see_through(fail())
    await errands.close()


async def test_what_never_ends_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.results.errands._LAST_S", 0.01)
    errands = Errands()
    errands.aside(asyncio.Event().wait())
    errands.loop(_for_ever())
    async with asyncio.timeout(5):
        await errands.close()


async def _for_ever() -> None:
    await asyncio.Event().wait()
