"""From jobs that were accepted to messages, one for each work that nobody else has put in."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from dispatcher.errors import QueueUnavailableError, ResultsUnavailableError
from dispatcher.jobs import Job
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.base import QueueFullError
from dispatcher.queues.places import Added, Standing
from dispatcher.queues.publishing import RETRY_AFTER_S, Publishing
from dispatcher.telemetry.logs import about

_log = logging.getLogger(__name__)

_SETTLED_WITHIN_S: Final = 2.0
"""How long the same work that another dispatcher is just publishing is waited for."""
_ASK_EVERY_S: Final = 0.02

Spawn = Callable[[Coroutine[None, None, None]], None]
"""Runs something in the background that nobody waits for."""


class Entering:
    """Puts jobs into the backlog and the broker: all of them or none."""

    def __init__(
        self, backlog: Backlog, publishing: Publishing, *, capacity: int, spawn: Spawn
    ) -> None:
        self._backlog = backlog
        self._publishing = publishing
        self._capacity = capacity
        self._spawn = spawn
        self._published: list[str] = []
        """What the backlog is still to be told of."""

    async def enter(self, jobs: Sequence[Job], *, is_admitted: bool) -> list[Job]:
        """Return those that are linked to others and have no place of their own.

        Raises:
            QueueFullError: there were as many already as may be, and none was admitted.
            QueueUnavailableError: it cannot be told; within 5 s.
        """
        try:
            return await self._enter(jobs, is_admitted)
        except BaseException:  # also when the client leaves meanwhile
            self._spawn(self._ground(jobs))
            raise

    async def replace(self, successor: Job) -> None:
        """Publish a job that takes the place of another; it is in the backlog already."""
        try:
            await self._publishing.publish(successor)
        except (QueueFullError, QueueUnavailableError):
            # It is found when somebody looks which jobs have lost their place.
            _log.warning("a job waits for its place", extra=about(successor))
            await self._ground([successor])
        else:
            self._confirm([successor])

    async def _enter(self, jobs: Sequence[Job], is_admitted: bool) -> list[Job]:
        added = await self._add(jobs)
        leaders = _those(jobs, added, Standing.PUBLISH)
        if not is_admitted and leaders and added.depth - len(leaders) >= self._capacity:
            raise QueueFullError  # others have filled it up since it was last looked at
        await self._publish(leaders)
        unsettled = _those(jobs, added, Standing.UNSETTLED)
        ends_at = time.monotonic() + _SETTLED_WITHIN_S
        while unsettled:
            if time.monotonic() > ends_at:
                raise QueueUnavailableError(
                    "The same work is being queued elsewhere.", retry_after_s=RETRY_AFTER_S
                )
            await asyncio.sleep(_ASK_EVERY_S)
            added = await self._add(unsettled)
            late = _those(unsettled, added, Standing.PUBLISH)
            await self._publish(late)
            leaders += late
            unsettled = _those(unsettled, added, Standing.UNSETTLED)
        places = {job.id for job in leaders}
        return [job for job in jobs if job.id not in places]

    async def _add(self, jobs: Sequence[Job]) -> Added:
        try:
            return await self._backlog.add(jobs)
        except ResultsUnavailableError:  # then nothing is linked
            return Added((Standing.PUBLISH,) * len(jobs), depth=0)

    async def _publish(self, jobs: Sequence[Job]) -> None:
        if jobs:
            await self._publishing.publish_all(jobs)
            self._confirm(jobs)

    def _confirm(self, jobs: Sequence[Job]) -> None:
        """Tell the backlog soon; all that comes while it is being told goes in one call."""
        is_telling = bool(self._published)
        self._published += [job.id for job in jobs]
        if not is_telling:
            self._spawn(self._tell_published())

    async def _tell_published(self) -> None:
        while self._published:
            told = list(self._published)
            try:
                await self._backlog.confirm(told)
            except ResultsUnavailableError:
                _log.debug("the backlog was not told of jobs that were published")
            del self._published[: len(told)]

    async def _ground(self, jobs: Sequence[Job]) -> None:
        try:
            await self._backlog.ground([job.id for job in jobs])
        except ResultsUnavailableError:
            _log.debug("the backlog was not told of jobs that were refused")


def _those(jobs: Sequence[Job], added: Added, standing: Standing) -> list[Job]:
    """Return the jobs that were found in this standing."""
    found = zip(jobs, added.standings, strict=True)
    return [job for job, is_standing in found if is_standing is standing]
