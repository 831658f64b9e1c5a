"""Takes jobs off the queue while replicas have room for them: the thin loop.

Jobs wait in the queue, where they are counted, ordered and bounded, and not in the pools: only
as many are taken as the ready replicas can have in work or next in line.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.execution.executor import Executor
from dispatcher.jobs import Job, JobError
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import JobQueue, Lease
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import Figures

_log = logging.getLogger(__name__)

STARVED_AFTER_S: Final = 60.0
"""How long jobs stay in the queue while no replica at all is ready."""
GIVE_BACK_PAUSE_S: Final = 1.0

OnEnded = Callable[[Job], Awaitable[None]]
"""Called once for each job that this consumer carried to its end."""


class Consumer:
    """Runs the jobs of one queue."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        executor: Executor,
        pools: PoolDirectory,
        figures: Figures,
        on_ended: OnEnded,
    ) -> None:
        self._queue = queue
        self._results = results
        self._executor = executor
        self._pools = pools
        self._figures = figures
        self._on_ended = on_ended
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take and run jobs until cancelled; jobs in flight are then given back."""
        try:
            while True:
                await self._wait_for_room()
                lease = await self._queue.reserve()
                task = asyncio.create_task(self._carry(lease))
                self._running.add(task)
                task.add_done_callback(self._forget)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _wait_for_room(self) -> None:
        """Wait until a replica has room; give up on that when none has been ready for long.

        Jobs that are then taken wait in their pool and fail with ``no_capacity``: every accepted
        job ends.
        """
        starved_at = time.monotonic() + STARVED_AFTER_S
        while (slots := self._pools.slots()) <= len(self._running):
            if slots:
                starved_at = time.monotonic() + STARVED_AFTER_S
            elif time.monotonic() >= starved_at:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._pools.room.wait()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._pools.room.notify()

    async def _carry(self, lease: Lease) -> None:
        try:
            await self._carry_to_end(lease)
        except (NotFoundError, GoneError):
            _log.error("a queued job is not in the store", extra={"job_id": lease.job_id})
            await self._queue.ack(lease)
        except asyncio.CancelledError:
            await self._queue.nack(lease)
            raise
        except Exception:
            # A store that fails now may work in a moment, and the job must not be lost.
            _log.exception("a job is given back", extra={"job_id": lease.job_id})
            try:
                await asyncio.sleep(GIVE_BACK_PAUSE_S)
            finally:
                await self._queue.nack(lease)

    async def _carry_to_end(self, lease: Lease) -> None:
        job = (await self._results.get(lease.job_id)).started(time.time())
        if not await self._results.save(job):
            await self._queue.ack(lease)  # it had ended before a crash; only this was missing
            return
        ended = await self._run(job)
        # The answer is kept before the job leaves the queue: a crash in between runs it again,
        # the other way round would lose it.
        if await self._results.save(ended):
            self._figures.count_ended(ended)
        await self._queue.ack(lease)
        await self._on_ended(ended)

    async def _run(self, job: Job) -> Job:
        try:
            return await self._executor.run(job)
        except Exception:
            _log.exception("the executor broke", extra={"job_id": job.id})
            error = JobError(code="internal_error", detail="The dispatcher failed on this job.")
            return job.failed(time.time(), error, attempts=job.attempts)
