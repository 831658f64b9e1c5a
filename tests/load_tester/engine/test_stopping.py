import asyncio

import pytest

from load_tester.engine.stopping import run_until


async def test_work_that_ends_by_itself_was_not_cut_short() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("done")

    assert await run_until(asyncio.Event(), work()) is False
    assert done == ["done"]


async def test_work_is_cancelled_when_it_is_stopped() -> None:
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    assert await run_until(stop, work()) is True
    assert cancelled.is_set()


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run_until(asyncio.Event(), work())


async def test_a_caller_that_is_cancelled_takes_the_work_along() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(run_until(asyncio.Event(), work()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
