"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Callable


async def until(
    condition: Callable[[], object], *, within_s: float = 10.0, every_s: float = 0.002
) -> None:
    """Return as soon as the condition holds; fail when it does not in time.

    Who looks often slows the clock of ``SteadyLoop``, which leaves out what a pause is too long.
    """
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - a condition has no event
            await asyncio.sleep(every_s)


async def turns(count: int) -> None:
    """Let the event loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


def now_s() -> float:
    """Return the time of the event loop: pauses of this process do not count (``SteadyLoop``)."""
    return asyncio.get_running_loop().time()
