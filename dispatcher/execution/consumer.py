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
from typing import Final, Protocol

from dispatcher.crash_points import crash_point
from dispatcher.errors import GoneError, NotFoundError, UnknownPipelineError
from dispatcher.execution.deadlines import Deadlines, Expire
from dispatcher.execution.executor import Executor, StoppedError
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
MAX_DELIVERIES: Final = 20
"""How often a job may be taken off the queue: each time but the last the dispatcher ended."""


class OnEnded(Protocol):
    """Called once for each job that was worked on to the end, however many wanted it."""

    def __call__(self, outcome: Job, *, is_kept: bool) -> Awaitable[None]:
        """Take the job as its work ended; not kept when it had ended early itself."""
        ...


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
        deadlines: Deadlines,
        expire: Expire,
        is_wanted_by_others: Callable[[str], bool],
        on_ended: OnEnded,
    ) -> None:
        """Run the jobs of a queue.

        Args:
            queue: has the jobs' order.
            results: has the jobs.
            executor: carries a job through its stages.
            pipelines: tell which pools a job needs.
            pools: tell for how many jobs there is room.
            figures: count what ends.
            deadlines: tell which job nobody waits for any more.
            expire: ends such a job.
            is_wanted_by_others: says of a job that has ended whether it is run all the same.
            on_ended: takes what came out.
        """
        self._queue = queue
        self._results = results
        self._executor = executor
        self._pipelines = pipelines
        self._pools = pools
        self._figures = figures
        self._on_ended = on_ended
        self._deadlines = deadlines
        self._expire = expire
        self._is_wanted_by_others = is_wanted_by_others
        self._in_hand: set[str] = set()
        """Jobs that were taken off the queue."""
        self._stopped: set[str] = set()
        """Those of them that nobody wants any more."""
        self._is_paused = False
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
                lanes = [] if self._is_paused else self._queue.lanes()
                lanes = [lane for lane in lanes if self._has_room(lane)]
                lease = await self._queue.reserve(lanes)
                if lease is None:
                    self._note_waiting()
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

    def _note_waiting(self) -> None:
        """Tell the figures in which lanes jobs wait because replicas have enough to do."""
        waiting = [] if self._is_paused else self._queue.lanes()
        served = [lane for lane in waiting if all(self._slots(lane))]
        self._figures.note_waiting(served, stalled=[lane for lane in waiting if lane not in served])

    def pause(self) -> None:
        """Take no more jobs; those in work go on."""
        self._is_paused = True

    def stop(self, job_id: str) -> None:
        """Stop the work on a job that nobody wants any more, if it was taken off the queue."""
        if job_id in self._in_hand:
            self._stopped.add(job_id)
            self._executor.stop(job_id)

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
        self._in_hand.add(lease.job_id)
        try:
            await self._carry_to_end(lease)
        except StoppedError:
            await self._queue.ack(lease)
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
        finally:
            self._in_hand.discard(lease.job_id)
            self._stopped.discard(lease.job_id)

    async def _carry_to_end(self, lease: Lease) -> None:
        if self._deadlines.is_over(lease.job_id):
            await self._expire(lease.job_id)
        job = (await self._results.get(lease.job_id)).started(time.time())
        crash_point("leased")
        # It may have ended early, or before a crash so that only its place was left.
        is_open = await self._results.save(job)
        if not is_open and not self._is_wanted_by_others(job.id):
            await self._queue.ack(lease)
            return
        if job.id in self._stopped:
            raise StoppedError
        ended = await self._run(job) if lease.deliveries <= MAX_DELIVERIES else _poisonous(job)
        # The answer is kept before the job leaves the queue: a crash in between runs it again,
        # the other way round would lose it.
        is_kept = await self._results.save(ended)
        if is_kept:
            crash_point("result_written")
            self._figures.count_ended(ended)
        self._figures.note_drained(lease.lane)
        crash_point("before_ack")
        await self._queue.ack(lease)
        crash_point("acked")
        await self._on_ended(ended, is_kept=is_kept)

    async def _run(self, job: Job) -> Job:
        try:
            return await self._executor.run(job)
        except StoppedError:
            raise
        except Exception:
            _log.exception("the executor broke", extra={"job_id": job.id})
            error = JobError(code="internal_error", detail="The dispatcher failed on this job.")
            return job.failed(time.time(), error, attempts=job.attempts)


def _poisonous(job: Job) -> Job:
    """Return a job as given up: whatever takes it may not survive it."""
    detail = f"The job was begun {MAX_DELIVERIES} times, and never came to an end."
    return job.failed(time.time(), JobError(code="poison", detail=detail), attempts=job.attempts)
