"""Ends jobs for which nobody waits any more: the thin loop.

Time is monotonic: a clock that is set ahead while the service runs expires nothing. A job that an
earlier process left has what remains of its deadline by the clock, and never more than all of it,
so that a clock that was set back keeps no job for ever.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from heapq import heapify, heappop, heappush
from typing import Final

from dispatcher.jobs import Job

_log = logging.getLogger(__name__)

_TOGETHER: Final = 64
"""Jobs that are ended at the same time: a store that commits them together is faster."""
_MIN_FORGOTTEN: Final = 1024
RETRY_S: Final = 1.0

Expire = Callable[[str], Awaitable[None]]
"""Ends a job whose deadline has passed; does nothing to one that has ended."""


def remaining_s(job: Job, *, now: float) -> float | None:
    """Return for how long somebody waits for a job; None when for ever.

    Args:
        job: not ended yet.
        now: Unix seconds.
    """
    if job.deadline_s is None:
        return None
    return min(max(0.0, job.queued_at + job.deadline_s - now), job.deadline_s)


class Deadlines:
    """Knows when each job that has a deadline is over."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Those of ``_due`` and, until it is rebuilt, of jobs that were forgotten since."""
        self._changed = asyncio.Event()

    def watch(self, job: Job) -> None:
        """Mind the deadline of a job, if it has one."""
        left_s = remaining_s(job, now=time.time())
        if left_s is None:
            return
        self._due[job.id] = due = self._clock() + left_s
        heappush(self._heap, (due, job.id))
        if self._heap[0] == (due, job.id):
            self._changed.set()

    def forget(self, job_id: str) -> None:
        """Mind the deadline of a job no longer; called when it has ended."""
        if self._due.pop(job_id, None) is None:
            return
        if len(self._heap) > 2 * len(self._due) + _MIN_FORGOTTEN:
            self._heap = [entry for entry in self._heap if entry[1] in self._due]
            heapify(self._heap)

    def is_over(self, job_id: str) -> bool:
        """Say whether the deadline of a job has passed."""
        due = self._due.get(job_id)
        return due is not None and due <= self._clock()

    def count(self) -> int:
        """Return how many deadlines are minded."""
        return len(self._due)

    async def run(self, expire: Expire) -> None:
        """End jobs at their deadline until cancelled."""
        while True:
            over = self._take_over()
            if over:
                ended = await asyncio.gather(*map(expire, over), return_exceptions=True)
                for job_id, outcome in zip(over, ended, strict=True):
                    self._note_expired(job_id, outcome)
            else:
                await self._wait()

    def _take_over(self) -> list[str]:
        """Return some of the jobs whose deadline has passed; they stay known until they end."""
        over: list[str] = []
        now = self._clock()
        while self._heap and self._heap[0][0] <= now and len(over) < _TOGETHER:
            due, job_id = heappop(self._heap)
            if self._due.get(job_id) == due:
                over.append(job_id)
        return over

    def _note_expired(self, job_id: str, outcome: BaseException | None) -> None:
        if outcome is None:
            self.forget(job_id)
            return
        # A store that fails now may work in a moment.
        _log.error("a job cannot be expired", exc_info=outcome, extra={"job_id": job_id})
        self._due[job_id] = due = self._clock() + RETRY_S
        heappush(self._heap, (due, job_id))

    async def _wait(self) -> None:
        """Wait for the next deadline, or for one that is earlier."""
        left_s = self._heap[0][0] - self._clock() if self._heap else None
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._changed.wait()
