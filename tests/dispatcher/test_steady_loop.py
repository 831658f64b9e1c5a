"""The loop of those tests whose time limits must not run out while the machine is busy."""

import asyncio
import time
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from tests.dispatcher.steady_loop import SteadyLoop

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        return runner.run(work)


def test_a_pause_of_the_process_runs_out_no_limit() -> None:
    async def work() -> str:
        asyncio.get_running_loop().call_soon(time.sleep, 0.3)
        async with asyncio.timeout(0.2):
            return await asyncio.sleep(0.02, "there")

    assert run(work()) == "there"


def test_waiting_runs_it_out() -> None:
    async def work() -> float:
        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.Event().wait()
        return time.monotonic() - began_s

    assert run(work()) >= 0.1


def test_its_time_never_runs_ahead_of_the_real_one() -> None:
    async def work() -> tuple[float, float]:
        loop, real_s = asyncio.get_running_loop(), time.monotonic()
        began_s = loop.time()
        for pause_s in (0.0, 0.01, 0.02):
            await asyncio.sleep(pause_s)
        ended_s = loop.time()
        return ended_s - began_s, time.monotonic() - real_s

    steady_s, real_s = run(work())
    assert 0.03 <= steady_s + 0.001 <= real_s + 0.002
