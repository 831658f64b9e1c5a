"""Waiting for an exact moment on the one clock that every time in a run comes from."""

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

# The last of the way is spun, because who sleeps wakes late: most of what a core needs to wake
# up, but never more than a part of the time that was waited, so that a dense schedule does not
# take a core away from the service.
LONGEST_SPIN_S = 0.001
SPIN_SHARE = 0.2
# An event loop rounds its timers to whole milliseconds, so they may be one late.
_ROUNDED_S = 0.002

_NANOSECONDS = 1_000_000_000
_ABSOLUTE = 1


def now_s() -> float:
    """Return the run's clock, in seconds; only differences mean anything."""
    return time.monotonic()


class Alarms(Protocol):
    """Wakes sleepers at their moments."""

    async def wait_until(self, moment_s: float) -> None:
        """Return at about this moment on the run's clock."""


class Pacer:
    """Waits for moments, one after the other, as exactly as can be."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    async def sleep_until(self, moment_s: float) -> None:
        """Return at `moment_s` on the run's clock, seldom more than 0.2 ms after it, never before.

        Yields to the loop at least once, so that a sender who is late never starves the others.
        """
        await asyncio.sleep(0)
        left_s = moment_s - now_s()
        if left_s > 0:
            await self._alarms.wait_until(moment_s - min(LONGEST_SPIN_S, left_s * SPIN_SHARE))
        while now_s() < moment_s:  # noqa: ASYNC110 - there is nothing to wait for but the clock
            await asyncio.sleep(0)


@contextmanager
def open_alarms() -> Iterator[Alarms]:
    """Open the best alarms that the system has, in the running loop."""
    timer = _create_timer()
    if timer is None:
        yield _LoopAlarms()
        return
    alarms = _KernelAlarms(timer)
    try:
        yield alarms
    finally:
        alarms.close()


@contextmanager
def open_pacer() -> Iterator[Pacer]:
    """Open a pacer in the running loop."""
    with open_alarms() as alarms:
        yield Pacer(alarms)


class _LoopAlarms:
    """The event loop's own timers, set early by as much as they may be late."""

    async def wait_until(self, moment_s: float) -> None:
        await asyncio.sleep(max(0.0, moment_s - _ROUNDED_S - now_s()))


class _KernelAlarms:
    """A timer of the kernel's that the loop watches like a connection: it rounds nothing.

    Linux only: timerfd_create(2), which Python offers from 3.13 on.
    """

    def __init__(self, timer: int) -> None:
        self._timer = timer
        self._set = ctypes.CDLL(None).timerfd_settime
        # The number keeps apart those who wait for the same moment.
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(timer, self._ring)

    async def wait_until(self, moment_s: float) -> None:
        sleeper: asyncio.Future[None] = self._loop.create_future()
        heappush(self._sleepers, (moment_s, next(self._numbers), sleeper))
        if self._sleepers[0][2] is sleeper:
            self._arm(moment_s)
        await sleeper

    def close(self) -> None:
        self._loop.remove_reader(self._timer)
        os.close(self._timer)

    def _arm(self, moment_s: float) -> None:
        # A moment of 0 would switch the timer off.
        at = max(1, int(moment_s * _NANOSECONDS))
        setting = struct.pack("@qqqq", 0, 0, *divmod(at, _NANOSECONDS))
        self._set(self._timer, _ABSOLUTE, setting, None)

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # set anew since it rang
            os.read(self._timer, 8)
        while self._sleepers and self._sleepers[0][0] <= now_s():
            _, _, sleeper = heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)
        if self._sleepers:
            self._arm(self._sleepers[0][0])


def _create_timer() -> int | None:
    """Return a timer of the kernel's on the clock of `now_s`, None where there is none."""
    try:
        create = ctypes.CDLL(None).timerfd_create
    except (AttributeError, OSError, TypeError):
        return None
    timer = int(create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
    return timer if timer >= 0 else None
