"""How a job comes to its one end, with all that belongs to it: its webhook, its key, who waits.

::

    webhook recorded ──▶ end recorded, if it is the first ──▶ Redis, which tells all
                                                          ──▶ who waits here, the webhook's sender
                                                          ──▶ no longer recorded as open
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.jobs import Job, JobState
from dispatcher.results.base import KeyTakenError
from dispatcher.results.claims import Claims
from dispatcher.results.errands import Errands
from dispatcher.results.hit_packs import belongs_in_pack
from dispatcher.results.ledger import Ledger
from dispatcher.results.shared_deliveries import SharedDeliveries

_END_WITHIN_S: Final = 60.0
"""How long the outcome of work is kept in hand while the object store is away."""
_LONGEST_PAUSE_S: Final = 2.0


class Finishing:
    """Ends jobs of one store."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        claims: Claims,
        deliveries: SharedDeliveries,
        message: Callable[[Job], bytes],
        wake: Callable[[Job], None],
        on_ended: Callable[[str], None],
        errands: Errands,
    ) -> None:
        """End jobs.

        Args:
            ledger: where they are.
            claims: have their Idempotency-Keys.
            deliveries: have their webhooks.
            message: returns what other dispatchers are told of a job.
            wake: takes each job that has ended, for those who wait here.
            on_ended: takes its id.
            errands: runs what nobody has to wait for, and what must not stop half-way.
        """
        self._ledger = ledger
        self._claims = claims
        self._deliveries = deliveries
        self._message = message
        self._wake = wake
        self._on_ended = on_ended
        self._errands = errands

    async def add(self, job: Job) -> None:
        """Keep a job that was answered at once; nothing when it is known to have ended.

        Raises:
            StorageUnavailableError: it cannot be told whether it is kept.
            KeyTakenError: its Idempotency-Key came with another job.
        """
        if belongs_in_pack(job):
            await self._ledger.add_hit(job)
            return
        if job.webhook_url is not None:
            await self._deliveries.leave(job)
        # Nobody is told: nobody else knows of it yet.
        if await self._ledger.end(job, message=b"") is not job:
            return
        try:
            await self._claims.claim(job)
        except (KeyTakenError, ResultsUnavailableError):
            await self._ledger.take_back(job)
            if job.webhook_url is not None:
                await self._deliveries.end(job.id)
            raise
        if job.webhook_url is not None:
            self._deliveries.hand_over(job)

    async def end(self, job: Job) -> bool:
        """Keep the end of a job; False when it has another one, or there is no such job.

        Raises:
            StorageUnavailableError: it cannot be told whether it is kept.
        """
        if not await self._ledger.ends.may_come(job):
            return False
        # Whoever is stopped while it waits has not undone what was asked for.
        return await self._errands.see_through(self._end(job))

    async def _end(self, job: Job) -> bool:
        first = await self._record(job)
        self._wake(first)
        if first is not job:
            return False
        self._on_ended(job.id)
        if job.webhook_url is not None:
            self._deliveries.hand_over(job)
        self._errands.aside(self._ledger.close(job.id))
        return True

    async def _record(self, job: Job) -> Job:
        """Record an end and return the one that counts; the outcome of work waits for that."""
        is_work = job.state in (JobState.COMPLETED, JobState.FAILED)
        ends_at = time.monotonic() + (_END_WITHIN_S if is_work else 0.0)
        pause_s = 0.1
        while True:
            try:
                if job.webhook_url is not None:
                    await self._deliveries.leave(job)
                return await self._ledger.end(job, message=self._message(job))
            except StorageUnavailableError:
                if time.monotonic() + pause_s > ends_at:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
