"""Several parts of one job at once."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def together(parts: Iterable[Coroutine[Any, Any, ResultT]]) -> list[ResultT]:
    """Return the results of all parts, in order.

    The first part that fails ends the others, because the job is lost with it, and its error is
    raised as it is.
    """
    waiting = list(parts)
    if len(waiting) == 1:
        return [await waiting[0]]  # nearly always: one picture needs no task of its own
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(part) for part in waiting]
    except BaseExceptionGroup as group:
        raise _first_of(group) from None
    return [task.result() for task in running]


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
