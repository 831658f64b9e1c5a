"""How new jobs are kept and, once refused, forgotten: together, and in time.

Where several servers keep them each may take its time, and a client is answered all the same.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from dispatcher.errors import StorageUnavailableError
from dispatcher.jobs import Job
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.logs import about

_log = logging.getLogger(__name__)

ACCEPT_S: Final = 3.8
"""All that is asked of the servers before a client is told that a job is accepted."""
DISCARD_S: Final = 0.8
"""What undoes that when it took too long; an answer has to be there within 5 seconds."""
_RETRY_AFTER_S: Final = 2


@asynccontextmanager
async def in_time(*, is_shared: bool) -> AsyncIterator[asyncio.Timeout]:
    """Break off what takes too long, where several servers are asked; what it does is then undone.

    Yields:
        The deadline; whoever has nothing to undo any more moves it with ``accepted``.

    Raises:
        StorageUnavailableError: it was broken off.
    """
    deadline = asyncio.timeout(ACCEPT_S if is_shared else None)
    try:
        async with deadline:
            yield deadline
    except TimeoutError as exc:
        if not deadline.expired():
            raise
        raise StorageUnavailableError(
            "The servers behind this one take too long.", retry_after_s=_RETRY_AFTER_S
        ) from exc


def accepted(deadline: asyncio.Timeout) -> None:
    """Take note that something is accepted: it is not broken off any more."""
    if not deadline.expired():
        deadline.reschedule(None)


async def both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Do two things at the same time; this ends when neither goes on, also when it is cancelled.

    Raises:
        BaseException: what one of them raised, the first one's coming first.
    """
    for error in await asyncio.gather(first, second, return_exceptions=True):
        if error is not None:
            raise error


async def add_all(jobs: Sequence[Job], *, results: ResultStore) -> None:
    """Keep new jobs; whatever is refused, all of them have been asked for before this ends.

    Raises:
        RequestError: one was refused; others may be kept.
    """
    if len(jobs) == 1:
        await results.add(jobs[0])
        return
    added = await asyncio.gather(*map(results.add, jobs), return_exceptions=True)
    for error in added:
        if error is not None:
            raise error


async def discard_all(jobs: Sequence[Job], *, results: ResultStore) -> None:
    """Forget jobs that were refused, for no longer than who was refused may wait for that.

    One that cannot be forgotten is done some time, for nobody.
    """
    discarding = (results.discard(job.id) for job in jobs)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            discarded = await asyncio.gather(*discarding, return_exceptions=True)
            for job, error in zip(jobs, discarded, strict=True):
                if error is not None:
                    _log.warning("a refused job is kept: %r", error, extra=about(job))
