"""Takes jobs off the queue while replicas have room for them: the thin loop.

Jobs wait in the queue, where they are counted, ordered and bounded, and not in the pools: only
as many are taken as the ready replicas can have in work or next in line.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.execution.executor import Executor
from dispatcher.jobs import Job, JobError
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import JobQueue, Lease
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import Figures

_log = logging.getLogger(__name__)

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

    @property
    def in_flight(self) -> int:
        """Return how many jobs are being worked on."""
        return len(self._running)

    async def run(self) -> None:
        """Take and run jobs until cancelled; jobs in flight are then given back."""
        try:
            while True:
                while len(self._running) >= self._pools.slots():
                    await self._pools.room.wait()
                lease = await self._queue.reserve()
                task = asyncio.create_task(self._carry(lease))
                self._running.add(task)
                task.add_done_callback(self._forget)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._pools.room.notify()

    async def _carry(self, lease: Lease) -> None:
        try:
            job = (await self._results.get(lease.job_id)).started(time.time())
            await self._results.save(job)
            ended = await self._run(job)
        except (NotFoundError, GoneError):
            await self._queue.ack(lease)
            return
        except asyncio.CancelledError:
            await self._queue.nack(lease)
            raise
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
