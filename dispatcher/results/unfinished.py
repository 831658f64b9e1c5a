"""Jobs that are recorded as open: most wait or are in work, some have lost their place."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from itertools import chain, repeat
from typing import Final

from dispatcher.errors import RequestError
from dispatcher.jobs import Job
from dispatcher.results.archive import OPEN, Archive
from dispatcher.results.claims import REFUSED_WITHIN_S, Claims
from dispatcher.results.ledger import Ledger

_log = logging.getLogger(__name__)
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
"""Between two tries to forget a job; the last one again and again."""


class Unfinished:
    """Lists what has to be done, and clears up what has not."""

    def __init__(self, archive: Archive, ledger: Ledger, claims: Claims) -> None:
        self._archive = archive
        self._ledger = ledger
        self._claims = claims

    async def ids(self, *, older_than_s: float) -> AsyncIterator[str]:
        """Yield the ids of jobs that were recorded as open so long ago, in no order.

        Raises:
            StorageUnavailableError: they cannot be listed now.
        """
        oldest = time.time() - older_than_s
        async for job_id, written_at in self._archive.list(OPEN):
            if written_at < oldest:
                yield job_id

    async def find(self, job_id: str) -> Job | None:
        """Return a job if it has to be done; else remove its record as open.

        Raises:
            StorageUnavailableError: it cannot be told.
        """
        job = await self._archive.find(job_id)
        if job is None:
            return None
        if job.state.is_terminal:
            await self._ledger.remember(job)
            await self._ledger.close(job_id)
            return None
        if not await self._claims.holds(job):  # its dispatcher died before it could say so
            await self._ledger.close(job_id)
            await self._ledger.forget(job_id, job.tenant)
            return None
        return job

    async def discard(self, job_id: str) -> None:
        """Remove a job that was not accepted, unless somebody may have been promised it.

        A store that is away or busy is asked again and again, for as long as a job may be refused:
        until then its Idempotency-Key is nobody's.
        """
        ends_at = time.monotonic() + REFUSED_WITHIN_S
        for pause_s in chain(_PAUSES_S, repeat(_PAUSES_S[-1])):
            try:
                await self._discard(job_id)
                return
            except RequestError:
                if time.monotonic() + pause_s > ends_at:
                    break
            await asyncio.sleep(pause_s)
        # It is then done although nobody was promised it; that costs time only.
        _log.warning("a job that was refused may be kept", extra={"job_id": job_id})

    async def _discard(self, job_id: str) -> None:
        job = await self._ledger.find(job_id)
        if job is not None and job.state.is_terminal:
            return
        if job is not None and not await self._give_back_key(job):
            _log.warning("a job that was refused late is kept", extra={"job_id": job_id})
            return
        await self._ledger.close(job_id)
        await self._ledger.forget(job_id, None if job is None else job.tenant)

    async def _give_back_key(self, job: Job) -> bool:
        """Return whether nobody can have been promised a job because of its key."""
        if job.idempotency is None:
            return True
        return not _is_late(job) and await self._claims.release(job)


def _is_late(job: Job) -> bool:
    return time.time() - job.queued_at > REFUSED_WITHIN_S
