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
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from dispatcher.crash_points import crash_point
from dispatcher.errors import (
    GoneError,
    NotFoundError,
    StorageUnavailableError,
    UnknownPipelineError,
)
from dispatcher.execution.deadlines import Deadlines, Expire, remaining_s
from dispatcher.execution.executor import Executor, StoppedError
from dispatcher.jobs import Job, JobError
from dispatcher.pipelines.operations import pipeline_for
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import CLOCKS_DIFFER_S, JobQueue, Lease
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.logs import about

_log = logging.getLogger(__name__)

STARVED_AFTER_S: Final = 60.0
"""How long jobs stay in the queue while no replica at all is ready, or, where other dispatchers
may know more, while their pipeline is unknown."""
GIVE_BACK_PAUSE_S: Final = 1.0
LINKED_AT_ONCE: Final = 50
"""Jobs of other dispatchers that are ended together."""
MAX_DELIVERIES: Final = 20
"""How often a job may be taken off the queue: each time but the last the dispatcher ended."""


class OnEnded(Protocol):
    """Called once for each job that was worked on to the end, however many wanted it."""

    def __call__(self, outcome: Job, *, is_kept: bool) -> Awaitable[None]:
        """Take the job as its work ended; not kept when it had ended early itself."""
        ...


FindAnswer = Callable[[Job], Awaitable[Job | None]]
"""Returns a job as completed by a result that is known by now; None when there is none."""
EndLinked = Callable[[str, Job], Awaitable[None]]
"""Ends a job by id like another, whose work was its own, too."""


class _NotYetKnownError(Exception):
    """The pipeline of a job is unknown here, but that may change in a moment."""


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
        end_linked: EndLinked,
        find_answer: FindAnswer,
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
            end_linked: gives it to those who asked other dispatchers for the same.
            find_answer: knows what another dispatcher has computed since the job was accepted.
        """
        self._queue = queue
        self._results = results
        self._executor = executor
        self._pipelines = pipelines
        self._pools = pools
        self._figures = figures
        self._on_ended = on_ended
        self._end_linked = end_linked
        self._find_answer = find_answer
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
                self._offer_room()
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

    def _offer_room(self) -> None:
        """Tell a queue that others use, too, what this process can do."""
        if not self._queue.is_shared:
            return
        if self._is_paused:
            self._queue.offer(None)
            return
        room = {}
        for pipeline in self._pipelines.all():
            slots = self._slots(pipeline.id)
            room[pipeline.id] = sum(slots) if all(slots) else 0
        self._queue.offer(room)

    def _note_waiting(self) -> None:
        """Tell the figures in which lanes jobs wait because replicas have enough to do."""
        waiting = [] if self._is_paused else self._queue.lanes()
        served = [lane for lane in waiting if self._is_served(lane)]
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
        if not self._is_served(lane):
            return self._has_starved(lane)
        slots = self._slots(lane)
        return not slots or self._carried[lane] < sum(slots)

    def _is_served(self, lane: str) -> bool:
        """Say whether replicas do the jobs of a lane, or they end at once: it was deleted.

        What was deleted is certain only to the one who deletes. Of several dispatchers one may
        hear of a pipeline later than another accepts jobs for it.
        """
        slots = self._slots(lane)
        return all(slots) and (bool(slots) or not self._queue.is_shared)

    def _has_starved(self, lane: str) -> bool:
        since = self._starved_since.setdefault(lane, time.monotonic())
        return time.monotonic() - since >= STARVED_AFTER_S

    def _forget_served(self) -> None:
        """Take note of lanes that starve no more, also of those in which no job waits."""
        for lane in [lane for lane in self._starved_since if self._is_served(lane)]:
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
            # Where it cannot be told whether a job was queued, it is refused and not kept.
            level = logging.WARNING if self._queue.is_shared else logging.ERROR
            _log.log(level, "a queued job is not in the store", extra={"job_id": lease.job_id})
            await self._queue.ack(lease)
        except asyncio.CancelledError:
            await self._queue.nack(lease)
            raise
        except _NotYetKnownError:
            await self._give_back(lease)
        except Exception:
            # A store that fails now may work in a moment, and the job must not be lost.
            _log.exception("a job is given back", extra={"job_id": lease.job_id})
            await self._give_back(lease)
        finally:
            self._in_hand.discard(lease.job_id)
            self._stopped.discard(lease.job_id)

    async def _give_back(self, lease: Lease) -> None:
        """Let a job wait again, not at once."""
        try:
            await asyncio.sleep(GIVE_BACK_PAUSE_S)
        finally:
            await self._queue.nack(lease)

    async def _carry_to_end(self, lease: Lease) -> None:
        job = await self._results.get(lease.job_id)
        if self._is_over(job):
            await self._expire(job.id)
        elif self._is_not_yet_known(job):
            raise _NotYetKnownError
        job = job.started(time.time())
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
        if self._queue.is_shared:
            # First the answer can be found, then the same work may begin anew: never twice.
            await self._on_ended(ended, is_kept=is_kept)
            await self._end_all_linked(await self._queue.unlink(lease), ended)
        crash_point("before_ack")
        await self._queue.ack(lease)
        crash_point("acked")
        if not self._queue.is_shared:
            await self._on_ended(ended, is_kept=is_kept)

    def _is_over(self, job: Job) -> bool:
        """Say whether the deadline of a job has passed."""
        # Another process may have minded it, and be gone. It has a clock of its own, though.
        slack_s = CLOCKS_DIFFER_S if self._queue.is_shared else 0.0
        is_past = remaining_s(job, now=time.time() - slack_s) == 0
        return is_past or self._deadlines.is_over(job.id)

    def _is_not_yet_known(self, job: Job) -> bool:
        """Say whether what a job needs is unknown here, and has not been for long."""
        if not self._queue.is_shared:
            return False
        needs = " ".join([job.pipeline_id, *sorted({one.type for one in job.operations})])
        try:
            if job.operations:
                pipeline_for(job.operations, self._pipelines)
                self._starved_since.pop(needs, None)
            else:
                self._pipelines.find(job.pipeline_id)
        except UnknownPipelineError:
            return not self._has_starved(needs)
        return False

    async def _end_all_linked(self, job_ids: Sequence[str], ended: Job) -> None:
        """End jobs of other dispatchers like one; one that cannot be ended finds a place again."""
        for first in range(0, len(job_ids), LINKED_AT_ONCE):
            some = job_ids[first : first + LINKED_AT_ONCE]
            ending = (self._end_linked(job_id, ended) for job_id in some)
            settled = await asyncio.gather(*ending, return_exceptions=True)
            for job_id, error in zip(some, settled, strict=True):
                if error is not None:
                    _log.error(
                        "a linked job cannot be ended", exc_info=error, extra={"job_id": job_id}
                    )

    async def _run(self, job: Job) -> Job:
        try:
            return await self._find_answer(job) or await self._executor.run(job)
        except (StoppedError, StorageUnavailableError):
            raise
        except Exception:
            _log.exception("the executor broke", extra=about(job))
            error = JobError(code="internal_error", detail="The dispatcher failed on this job.")
            return job.failed(time.time(), error, attempts=job.attempts)


def _poisonous(job: Job) -> Job:
    """Return a job as given up: whatever takes it may not survive it."""
    detail = f"The job was begun {MAX_DELIVERIES} times, and never came to an end."
    return job.failed(time.time(), JobError(code="poison", detail=detail), attempts=job.attempts)
