"""Takes jobs off the queue while replicas have room for them: the thin loop.

Jobs wait in the queue, where they are counted, ordered and bounded, and not in the pools: of
each lane only as many are taken as the ready replicas of its pipeline can have in work or next
in line. A pipeline without replicas so holds up no other.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from dispatcher.errors import GoneError, NotFoundError, UnknownPipelineError
from dispatcher.execution.executor import Executor
from dispatcher.jobs import Job, JobError
from dispatcher.pipelines.store import PipelineStore
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
        pipelines: PipelineStore,
        pools: PoolDirectory,
        figures: Figures,
        on_ended: OnEnded,
        on_void: Callable[[Job], None],
    ) -> None:
        self._queue = queue
        self._results = results
        self._executor = executor
        self._pipelines = pipelines
        self._pools = pools
        self._figures = figures
        self._on_ended = on_ended
        self._on_void = on_void
        self._running: set[asyncio.Task[None]] = set()
        self._carried: Counter[str] = Counter()
        """How many jobs of each lane run."""
        self._starved_since: dict[str, float] = {}

    async def run(self) -> None:
        """Take and run jobs until cancelled; jobs in flight are then given back."""
        announcing = asyncio.create_task(self._announce_jobs())
        try:
            while True:
                self._forget_served()
                lanes = [lane for lane in self._queue.lanes() if self._has_room(lane)]
                lease = await self._queue.reserve(lanes)
                if lease is None:
                    if announcing.done():
                        await announcing  # raises why it ended
                    await self._wait_for_change()
                    continue
                task = asyncio.create_task(self._carry(lease))
                self._running.add(task)
                self._carried[lease.lane] += 1
                task.add_done_callback(partial(self._forget, lane=lease.lane))
        finally:
            for task in (announcing, *self._running):
                task.cancel()
            await asyncio.gather(announcing, *self._running, return_exceptions=True)

    def _has_room(self, lane: str) -> bool:
        """Say whether a job of a lane may be taken.

        While a pool of its pipeline has no ready replica, none is; but not for ever: jobs that
        are then taken wait in their pool and fail with ``no_capacity``. Every accepted job ends.
        """
        slots = self._slots(lane)
        if all(slots):  # so are none: the jobs of a deleted pipeline end at once
            return not slots or self._carried[lane] < sum(slots)
        since = self._starved_since.setdefault(lane, time.monotonic())
        return time.monotonic() - since >= STARVED_AFTER_S

    def _forget_served(self) -> None:
        """Take note of lanes that starve no more, also of those in which no job waits."""
        for lane in [lane for lane in self._starved_since if all(self._slots(lane))]:
            del self._starved_since[lane]

    def _slots(self, lane: str) -> list[int]:
        """Return the slots of each pool of a lane's pipeline; nothing when it was deleted."""
        try:
            steps = {str(stage.key) for stage in self._pipelines.find(lane).stages}
        except UnknownPipelineError:
            return []
        return [self._pools.get(step).slots for step in steps]

    async def _wait_for_change(self) -> None:
        """Wait until a job came, a replica may have room again, or a second has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._pools.room.wait()

    async def _announce_jobs(self) -> None:
        """Make one signal of two: a job that came wakes the loop like a replica with room."""
        while True:
            await self._queue.wait_for_more()
            self._pools.room.notify()

    def _forget(self, task: asyncio.Task[None], *, lane: str) -> None:
        self._running.discard(task)
        self._carried[lane] -= 1
        if not self._carried[lane]:
            del self._carried[lane]
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
        else:
            self._on_void(ended)
        await self._queue.ack(lease)
        await self._on_ended(ended)

    async def _run(self, job: Job) -> Job:
        try:
            return await self._executor.run(job)
        except Exception:
            _log.exception("the executor broke", extra={"job_id": job.id})
            error = JobError(code="internal_error", detail="The dispatcher failed on this job.")
            return job.failed(time.time(), error, attempts=job.attempts)
