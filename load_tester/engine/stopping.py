"""Ending work early, and knowing that it was."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_until(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Do the work; cancel it when `stop` is set, and return whether that cut it short.

    Whatever the work raises is raised here.
    """
    working = asyncio.create_task(work)
    stopper = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopper}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        interrupted = not working.done()
        working.cancel()
        stopper.cancel()
        await asyncio.wait({working, stopper})
    if not working.cancelled():
        working.result()
    return interrupted
