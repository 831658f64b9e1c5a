"""What an operator may do to the whole queue: look, empty it, and repeat what has failed.

No accepted job is dropped: one that is purged ends as cancelled, and whoever waits for it is told.
Each call does a bounded part, so that a queue of a million jobs holds up nobody; the caller asks
again for as long as there is more.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from dispatcher.errors import (
    AlreadyEndedError,
    GoneError,
    ImageGoneError,
    InvalidParamsError,
    NotFoundError,
    RequestError,
    UnknownPipelineError,
)
from dispatcher.intake.endings import Endings
from dispatcher.intake.requeueing import Requeueing
from dispatcher.jobs import Idempotency, Job, JobState
from dispatcher.queues.base import JobQueue
from dispatcher.queues.report import QueueReport
from dispatcher.results.base import KeyTakenError, ResultStore

MAX_STEP: Final = 1000
"""Most jobs that one call looks after."""
_PAGE: Final = 500
_TOGETHER: Final = 100
"""Jobs that are ended at the same time: they share a commit."""
_REPEATED: Final = "repeated_before"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs are meant: those that fit all of it."""

    lane: str | None = None
    code: str | None = None
    """Of the error with which they failed."""
    before: float | None = None
    """Unix seconds: only what was accepted, or had failed, by then."""

    def fits(self, job: Job) -> bool:
        """Say whether a job is meant."""
        moment = job.queued_at if job.completed_at is None else job.completed_at
        return (
            (self.lane is None or job.pipeline_id == self.lane)
            and (self.code is None or (job.error is not None and job.error.code == self.code))
            and (self.before is None or moment <= self.before)
        )


@dataclass(frozen=True, slots=True)
class QueueState:
    """The queue and what has failed, at one moment."""

    at: float
    """Unix seconds."""
    report: QueueReport
    failed: Mapping[str, int]
    """Failed jobs that are kept, by the code of their error."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was purged."""

    count: int
    dead: int
    """Messages that were thrown away, beside the jobs."""
    is_more: bool
    """Whether another call may find more."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """What was repeated."""

    count: int
    put_back: int
    """Messages that were put back, beside the jobs."""
    skipped: Mapping[str, int]
    """Failed jobs that were not repeated, by the code of the reason."""
    next_after: str | None
    """The job after which to go on; None when all were looked at."""


@dataclass(slots=True)
class _Repeating:
    """How far one call has come."""

    count: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    last: str | None = None
    """The job that was looked at last."""


class QueueOperations:
    """Works on the jobs of all tenants."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        endings: Endings,
        requeueing: Requeueing,
    ) -> None:
        self._queue = queue
        self._results = results
        self._endings = endings
        self._requeueing = requeueing

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        return self._queue.capacity

    async def look(self) -> QueueState:
        """Return what waits, what is in work and what has failed.

        Raises:
            RequestError: a server does not answer.
        """
        failed: Counter[str] = Counter()
        async for job in self._jobs({JobState.FAILED}):
            failed[job.error.code if job.error else ""] += 1
        return QueueState(time.time(), report=await self._queue.report(), failed=failed)

    async def purge_waiting(self, selection: Selection, *, limit: int = MAX_STEP) -> Purged:
        """Cancel jobs that wait; what is in work goes on.

        Raises:
            RequestError: a server does not answer; some may have been cancelled.
        """
        found, is_more = await self._select({JobState.QUEUED}, selection, limit=limit)
        count = 0
        for start in range(0, len(found), _TOGETHER):
            part = found[start : start + _TOGETHER]
            count += sum(await asyncio.gather(*(self._cancel(job.id) for job in part)))
        return Purged(count, dead=0, is_more=is_more)

    async def purge_failed(self, selection: Selection, *, limit: int = MAX_STEP) -> Purged:
        """Drop failed jobs with their images, and messages that nobody can read.

        Raises:
            RequestError: a server does not answer; some may have been dropped.
        """
        found, is_more = await self._select({JobState.FAILED}, selection, limit=limit)
        count = await self._results.drop([job.id for job in found])
        is_about_all = selection.lane is None and selection.code is None
        dead = await self._queue.drop_dead() if is_about_all and not is_more else 0
        return Purged(count, dead=dead, is_more=is_more)

    async def requeue(
        self, selection: Selection, *, after: str | None = None, limit: int = MAX_STEP
    ) -> Requeued:
        """Repeat failed jobs as new ones, each once however often this is called.

        Args:
            selection: which.
            after: go on after this job, as an earlier call has said.
            limit: at most so many are looked at.

        Raises:
            RequestError: the first one was refused: the queue is full, or a server is away.
        """
        repeating = _Repeating(last=after)
        found, is_more = await self._select({JobState.FAILED}, selection, after=after, limit=limit)
        try:
            for job in found:
                await self._repeat(job, repeating)
        except RequestError:
            if repeating.count == 0:
                raise
            is_more = True
        is_about_all = selection.lane is None and selection.code is None
        put_back = 0
        if is_about_all and not is_more:
            put_back = await self._queue.put_back_dead(limit=limit)
        return Requeued(
            repeating.count,
            put_back=put_back,
            skipped=repeating.skipped,
            next_after=repeating.last if is_more else None,
        )

    async def _repeat(self, job: Job, repeating: _Repeating) -> None:
        # The key is kept with the new job, so that no failed one is ever repeated twice. It has a
        # space, which no client's key can have.
        identity = Idempotency(f"requeue {job.id}", fingerprint=job.digest)
        try:
            if await self._results.find_by_key(job.tenant, identity.key) is not None:
                repeating.skipped[_REPEATED] += 1
            else:
                again = await self._requeueing.requeue(job, identity=identity)
                await self._results.note_accepted(again)
                repeating.count += 1
        except KeyTakenError:
            repeating.skipped[_REPEATED] += 1
        except (ImageGoneError, UnknownPipelineError, InvalidParamsError) as exc:
            repeating.skipped[exc.code] += 1
        repeating.last = job.id

    async def _cancel(self, job_id: str) -> bool:
        """Cancel a job if it still waits."""
        with suppress(AlreadyEndedError, NotFoundError, GoneError):
            job = await self._results.get(job_id)
            if job.state is JobState.QUEUED:
                await self._endings.cancel(job)
                return True
        return False

    async def _select(
        self,
        states: Collection[JobState],
        selection: Selection,
        *,
        limit: int,
        after: str | None = None,
    ) -> tuple[Sequence[Job], bool]:
        """Return jobs that are meant, the latest accepted first, and whether there are more."""
        found: list[Job] = []
        async for job in self._jobs(states, after=after):
            if selection.fits(job):
                if len(found) == limit:
                    return found, True
                found.append(job)
        return found, False

    async def _jobs(
        self, states: Collection[JobState], *, after: str | None = None
    ) -> AsyncIterator[Job]:
        """Yield everybody's jobs of these states, the latest accepted first."""
        while page := await self._results.list_jobs(
            tenant=None, states=states, before=after, limit=_PAGE
        ):
            for job in page:
                yield job
            if len(page) < _PAGE:
                return
            after = page[-1].id
