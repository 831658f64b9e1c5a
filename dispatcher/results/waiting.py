"""Who waits in this process for a job to change; the backends share it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dispatcher.jobs import Job, JobState


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """Somebody, and what it waits for."""

    is_awaited: Callable[[Job], bool]
    woken: asyncio.Future[Job | None]
    """The job as it was awaited; None when the store is closed."""


class Waiters:
    """Wakes those who wait for a job as soon as it is as they want it.

    A backend calls ``wake`` with each job that it has replaced by its next state, once that may be
    seen, and ``close`` when it ends.
    """

    def __init__(self, read: Callable[[str], Awaitable[Job]]) -> None:
        """Serve one store.

        Args:
            read: returns a job as it is stored, and raises when there is none.
        """
        self._read = read
        self._waiters: dict[str, list[_Waiter]] = {}
        self._is_closed = False

    async def wait(self, job_id: str, *, until: Callable[[Job], bool], timeout_s: float) -> Job:
        """Return a job as soon as it is as awaited, or as it is after the time-out.

        Raises:
            RequestError: as ``read`` does.
        """
        ends_at = time.monotonic() + timeout_s
        waiter = _Waiter(until, asyncio.get_running_loop().create_future())
        # Before it is read: a change while that takes its time wakes, too.
        self._waiters.setdefault(job_id, []).append(waiter)
        try:
            job = await self._read(job_id)
            left_s = ends_at - time.monotonic()
            if until(job) or left_s <= 0 or self._is_closed:
                return job
            async with asyncio.timeout(left_s):
                woken_by = await waiter.woken
            if woken_by is not None:
                return woken_by
        except TimeoutError:
            pass
        finally:
            self._forget(job_id, waiter)
        return await self._read(job_id)

    def is_awaited(self, job_id: str) -> bool:
        """Say whether anybody waits for a job."""
        return job_id in self._waiters

    def awaited(self) -> list[str]:
        """Return the ids of all jobs that somebody waits for."""
        return list(self._waiters)

    def wake(self, job: Job) -> None:
        """Wake whoever waits for a job to be as it is now."""
        for waiter in self._waiters.get(job.id, ()):
            if not waiter.woken.done() and waiter.is_awaited(job):
                waiter.woken.set_result(job)

    def close(self) -> None:
        """Wake everybody; nobody waits from now on."""
        self._is_closed = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.woken.done():
                    waiter.woken.set_result(None)

    def _forget(self, job_id: str, waiter: _Waiter) -> None:
        waiters = self._waiters[job_id]
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[job_id]


class WaitedFor:
    """What every store says to those who wait for a job of it."""

    _waiters: Waiters

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """Return a job as soon as it has ended, or as it is after the time-out."""
        return await self._waiters.wait(
            job_id, until=lambda job: job.state.is_terminal, timeout_s=timeout_s
        )

    async def changed(self, job_id: str, *, since: JobState, timeout_s: float) -> Job:
        """Return a job as soon as its state is another, or as it is after the time-out."""
        return await self._waiters.wait(
            job_id, until=lambda job: job.state is not since, timeout_s=timeout_s
        )

    def stop_waiting(self) -> None:
        """Let everybody who waits have the job as it is; nobody waits from now on."""
        self._waiters.close()
