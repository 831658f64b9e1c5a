import asyncio
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from load_tester import pacing
from load_tester.pacing import Alarms, Pacer, now_s, open_alarms, open_pacer


@contextmanager
def open_plain_pacer() -> Iterator[Pacer]:
    """As on a system without timers of the kernel's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "_create_timer", lambda: None)
        with open_pacer() as pacer:
            yield pacer


both_alarms = pytest.mark.parametrize("opened", [open_pacer, open_plain_pacer])
Opened = Callable[[], AbstractContextManager[Pacer]]


@both_alarms
async def test_a_moment_is_never_met_early_and_mostly_met_at_once(opened: Opened) -> None:
    late_s = []
    with opened() as pacer:
        for _ in range(50):
            moment_s = now_s() + 0.006
            await pacer.sleep_until(moment_s)
            late_s.append(now_s() - moment_s)
    assert min(late_s) >= 0
    assert statistics.median(late_s) < 0.02


@both_alarms
async def test_a_moment_long_past_still_lets_others_run(opened: Opened) -> None:
    others = asyncio.Event()
    asyncio.get_running_loop().call_soon(others.set)
    with opened() as pacer:
        await pacer.sleep_until(now_s() - 10)
    assert others.is_set()


async def test_an_interrupted_wait_leaves_nothing_behind() -> None:
    with open_pacer() as pacer:
        task = asyncio.create_task(pacer.sleep_until(now_s() + 0.05))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})
        before_s = now_s()
        await pacer.sleep_until(before_s + 0.1)
        assert now_s() >= before_s + 0.1


@contextmanager
def open_plain_alarms() -> Iterator[Alarms]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "_create_timer", lambda: None)
        with open_alarms() as alarms:
            yield alarms


@pytest.mark.parametrize("opened", [open_alarms, open_plain_alarms])
async def test_many_sleepers_are_each_woken_at_their_moment(
    opened: Callable[[], AbstractContextManager[Alarms]],
) -> None:
    began_s = now_s()
    woken: list[tuple[int, float]] = []

    async def sleep(number: int) -> None:
        await alarms.wait_until(began_s + 0.05 * number)
        woken.append((number, now_s() - began_s))

    with opened() as alarms:
        sleepers = [asyncio.create_task(sleep(number)) for number in (4, 0, 3, 3, 1, 2)]
        sleepers[2].cancel()
        await asyncio.wait(sleepers)
    assert [number for number, _ in woken] == [0, 1, 2, 3, 4]
    # Never earlier than what a loop's timer is set early by.
    assert all(at_s >= 0.05 * number - 0.003 for number, at_s in woken)
