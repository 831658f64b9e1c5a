"""Waiting for an exact moment on the one clock that every time in a run comes from."""

import asyncio
import time

# An event loop rounds its timers up to a millisecond; the rest of the way is spun.
SPIN_S = 0.002


def now_s() -> float:
    """Return the run's clock, in seconds; only differences mean anything."""
    return time.monotonic()


async def sleep_until(moment_s: float) -> None:
    """Return at `moment_s` on the run's clock, seldom more than 0.2 ms after it, never before.

    Yields to the loop at least once, so that a sender who is late never starves the others.
    """
    await asyncio.sleep(0)
    while True:
        left_s = moment_s - now_s()
        if left_s <= 0:
            return
        await asyncio.sleep(left_s - SPIN_S if left_s > SPIN_S else 0)
