"""After Redis has lost everything: what the archive has is put into it again, by one dispatcher."""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from dispatcher.errors import NotFoundError
from dispatcher.jobs import Job
from dispatcher.results.archive import BATCHES, DELIVERIES, ENDED, OPEN, Archive
from dispatcher.results.hit_packs import HitPacks
from dispatcher.results.ledger import Ledger
from dispatcher.results.shared_batches import SharedBatches
from dispatcher.results.shared_records import SharedRecords
from dispatcher.results.shared_retention import SharedRetention, TryLead

_log = logging.getLogger(__name__)

_AT_A_TIME: Final = 16
_LEAD_FOR_S: Final = 15.0
_DUTY: Final = "refill"


class Refilling:
    """Makes the lists in Redis complete."""

    def __init__(
        self,
        *,
        archive: Archive,
        packs: HitPacks,
        ledger: Ledger,
        records: SharedRecords,
        batches: SharedBatches,
        retention: SharedRetention,
        try_lead: TryLead,
    ) -> None:
        self._archive = archive
        self._packs = packs
        self._ledger = ledger
        self._records = records
        self._batches = batches
        self._retention = retention
        self._try_lead = try_lead
        self._is_running = False

    async def run_if_needed(self) -> None:
        """Refill Redis if it has lost its lists and no other dispatcher does.

        Raises:
            RequestError: a server is away; what was done so far need not be done again.
        """
        if self._is_running or await self._records.are_complete():
            return
        if not await self._try_lead(_DUTY, for_s=_LEAD_FOR_S) or self._is_running:
            return
        self._is_running = True
        try:
            await self._run()
        finally:
            self._is_running = False

    async def _run(self) -> None:
        began, token = time.monotonic(), secrets.token_hex(8)
        await self._records.begin_filling(token)
        undelivered = {job_id async for job_id, _ in self._archive.list(DELIVERIES)}
        count = 0
        for folder in (ENDED, OPEN):
            find = self._archive.find_ended if folder == ENDED else self._archive.find
            ids = await self._archive.list_by_age(folder)
            while some := list(islice(ids, _AT_A_TIME)):
                jobs = await asyncio.gather(*map(find, some))
                count += await self._put_back(filter(None, jobs), undelivered)
        async for hits in self._packs.all():
            count += await self._put_back(iter(hits), undelivered)
        for batch_id in await self._archive.list_by_age(BATCHES):
            try:
                await self._batches.get(batch_id)  # which remembers it
            except NotFoundError:
                continue  # its time has passed
        if await self._records.note_complete(token) and count:
            _log.warning(
                "Redis did not know all jobs; it has %d again after %.1f s",
                count,
                time.monotonic() - began,
            )

    async def _put_back(self, jobs: Iterator[Job], undelivered: set[str]) -> int:
        """Have Redis know jobs again; return how many."""
        kept = (j for j in jobs if j.id in undelivered or not self._retention.is_over(j))
        count = 0
        while some := list(islice(kept, _AT_A_TIME)):
            await asyncio.gather(*map(self._ledger.put_back, some))
            count += len(some)
        await self._try_lead(_DUTY, for_s=_LEAD_FOR_S)
        return count
