"""Accepted jobs that nobody knows any more find a place again: the thin loop.

What was accepted is recorded where it is safe; that it waits, is linked or is in work is known to
servers that may lose it. So one dispatcher at a time looks, now and then, which jobs are recorded
as open and known to nobody, and queues them again. A job that is queued twice does no harm: who
takes one that has ended lets it go, and who takes one that is in work elsewhere leaves it.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from dispatcher.errors import RequestError
from dispatcher.intake.endings import Endings
from dispatcher.jobs import Job
from dispatcher.queues.base import CLOCKS_DIFFER_S, JobQueue, QueueFullError

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 30.0
OLD_ENOUGH_S: Final = 30.0
"""How long a job has been open when it is looked for: a younger one may be about to be queued."""
HURRIED_LOOK_EVERY_S: Final = 5.0
"""Likewise, and for both, after something was lost; putting a job takes no longer."""
_DUTY: Final = "restocking"
_HURRIED_DUTY: Final = "hurried restocking"
"""Whoever sees the loss looks, whose duty the other looks ever are."""
_A_PAGE: Final = 500
"""Jobs that are asked about together."""
_AT_ONCE: Final = 16
"""Jobs that are read and queued together."""
_MOST_REFUSALS: Final = 2 * _AT_ONCE
"""A lane that has refused so many jobs is left alone for the rest of a look: a queue that does not
answer takes seconds for each."""


class SharedJobs(Protocol):
    """What is known of the jobs of all dispatchers."""

    async def try_lead(self, duty: str, *, for_s: float) -> bool:
        """Return whether this dispatcher is the one that does a duty for the next seconds."""
        ...

    def open_ids(self, *, older_than_s: float) -> AsyncIterator[str]:
        """Yield the ids of the jobs that were accepted so long ago and are recorded as open."""
        ...

    async def open_job(self, job_id: str) -> Job | None:
        """Return one of them; None when it has ended after all."""
        ...

    async def known(self, job_ids: Collection[str]) -> set[str]:
        """Return those that wait, are linked, or are in work.

        Raises:
            ResultsUnavailableError: that cannot be told.
        """
        ...


class Restocking:
    """Queues what was accepted and lost its place."""

    def __init__(
        self,
        jobs: SharedJobs,
        *,
        queue: JobQueue,
        endings: Endings,
        on_restocked: Callable[[int], None] = lambda _: None,
        look_every_s: float = LOOK_EVERY_S,
        old_enough_s: float = OLD_ENOUGH_S,
        hurried_look_every_s: float = HURRIED_LOOK_EVERY_S,
    ) -> None:
        """Queue the jobs of all dispatchers.

        Args:
            jobs: tell which were accepted, and which of them somebody knows.
            queue: where they find a place.
            endings: end those whose deadline has passed.
            on_restocked: counts those that had lost a place.
            look_every_s: how often it is looked.
            old_enough_s: how long a job has been open when it is looked for.
            hurried_look_every_s: both, for as long as it takes until every job of the moment when
                something was lost has been looked for.
        """
        self._jobs = jobs
        self._queue = queue
        self._endings = endings
        self._on_restocked = on_restocked
        self._look_every_s = look_every_s
        self._old_enough_s = old_enough_s
        self._hurried_look_every_s = hurried_look_every_s
        self._hurried = asyncio.Event()
        self._hurries_until = 0.0
        """Monotonic seconds."""

    def hurry(self) -> None:
        """Look at once: something was lost just now."""
        now = time.monotonic()
        if now >= self._hurries_until:
            self._hurried.set()  # else the next look is near, however many tell of losses
        self._hurries_until = now + self._old_enough_s

    async def run(self) -> None:
        """Look and queue until cancelled."""
        while True:
            is_hurried = time.monotonic() < self._hurries_until
            pause_s = self._hurried_look_every_s if is_hurried else self._look_every_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._hurried.wait()
            self._hurried.clear()
            try:
                await self._look()
            except (RequestError, QueueFullError) as exc:
                # A server is away, or full: what was not looked at now is looked at next time.
                _log.info("jobs without a place cannot be looked for now: %r", exc)
            except Exception:
                _log.exception("jobs without a place cannot be looked for")

    async def _look(self) -> None:
        is_hurried = time.monotonic() < self._hurries_until
        duty, every_s, age_s = (
            (_HURRIED_DUTY, self._hurried_look_every_s, self._hurried_look_every_s)
            if is_hurried
            else (_DUTY, self._look_every_s, self._old_enough_s)
        )
        if not await self._jobs.try_lead(duty, for_s=2 * every_s):
            return
        look = _Look()
        page: list[str] = []
        try:
            async for job_id in self._jobs.open_ids(older_than_s=age_s):
                page.append(job_id)
                if len(page) == _A_PAGE:
                    await self._restock(page, look)
                    page = []
            await self._restock(page, look)
        finally:
            if look.restocked:
                _log.warning("%d jobs had lost their place in the queue", look.restocked)
        if look.failure is not None:
            _log.warning("%d jobs without a place cannot be queued now", look.failed)
            raise look.failure

    async def _restock(self, job_ids: Sequence[str], look: "_Look") -> None:
        """Queue those that nobody knows."""
        if not job_ids:
            return
        known = await self._jobs.known(job_ids)
        unknown = [job_id for job_id in job_ids if job_id not in known]
        for first in range(0, len(unknown), _AT_ONCE):
            some = unknown[first : first + _AT_ONCE]
            # Each by itself: one that cannot be read, or queued, keeps back no other.
            restocking = (self._restock_one(job_id, look) for job_id in some)
            outcomes = await asyncio.gather(*restocking, return_exceptions=True)
            for job_id, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    look.failed += 1
                    look.failure = look.failure or outcome
                    if not isinstance(outcome, (RequestError, QueueFullError)):
                        _log.error(
                            "a job cannot be queued again",
                            exc_info=outcome,
                            extra={"job_id": job_id},
                        )

    async def _restock_one(self, job_id: str, look: "_Look") -> None:
        """Queue a job that nobody knows, or end it."""
        job = await self._jobs.open_job(job_id)
        if job is None:
            return
        # Who accepted it minds its deadline, by a clock of its own; this is the net behind it.
        if job.deadline_s is not None and (
            time.time() >= job.queued_at + job.deadline_s + CLOCKS_DIFFER_S
        ):
            await self._endings.expire(job.id)
            return
        if look.refusals[job.pipeline_id] >= _MOST_REFUSALS:
            return
        try:
            await self._queue.put([job], is_admitted=True)
        except Exception:
            look.refusals[job.pipeline_id] += 1
            raise
        # A follower never had a place: whom it follows is known to its own dispatcher alone.
        if not job.coalesced:
            look.restocked += 1
            self._on_restocked(1)


@dataclass(slots=True)
class _Look:
    """What came of one look at all jobs."""

    restocked: int = 0
    """Jobs that had lost their place and have one again."""
    failed: int = 0
    failure: Exception | None = None
    """The first of them."""
    refusals: Counter[str] = field(default_factory=Counter)
    """How many jobs a lane has refused."""
