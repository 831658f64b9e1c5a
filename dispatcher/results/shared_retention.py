"""What several dispatchers no longer keep: one of them drops it for all.

Redis knows in which order jobs ended; what it tells to drop is dropped within seconds. Redis may
have forgotten some, so now and then everything in the archive is looked at by its age.
"""

import asyncio
import time
from collections.abc import Collection
from itertools import islice
from typing import Final, Protocol

from dispatcher.jobs import Job
from dispatcher.results.archive import BATCHES, DELIVERIES, ENDED, Archive
from dispatcher.results.claims import KEYS
from dispatcher.results.hit_packs import HitPacks, belongs_in_pack
from dispatcher.results.shared_batches import SharedBatches
from dispatcher.results.shared_records import SharedRecords, Shelf
from dispatcher.servers.objects import ObjectStore

_AT_A_TIME: Final = 16
_IN_ONE_GO: Final = 500
_MOST: Final = 20_000
"""So many are dropped by one call; the next one goes on."""
_LEAD_FOR_S: Final = 60.0
_PACKS_EVERY_S: Final = 60.0
_SWEEP_EVERY_S: Final = 600.0
_SLACK_S: Final = 60.0
"""Clocks differ, and what is read is never a moment too young to be dropped."""


class TryLead(Protocol):
    """Says which dispatcher does what only one shall do."""

    async def __call__(self, duty: str, *, for_s: float) -> bool:
        """Return whether this one does a duty for the next seconds."""
        ...


class SharedRetention:
    """Drops jobs, batches and Idempotency-Keys whose time has passed."""

    def __init__(
        self,
        *,
        objects: ObjectStore,
        archive: Archive,
        packs: HitPacks,
        records: SharedRecords,
        batches: SharedBatches,
        retention_s: float,
        retention_count: int,
        key_retention_s: float,
        try_lead: TryLead,
    ) -> None:
        self._objects = objects
        self._archive = archive
        self._packs = packs
        self._records = records
        self._batches = batches
        self._retention_s = retention_s
        self._retention_count = retention_count
        self._key_retention_s = key_retention_s
        self._try_lead = try_lead

    def is_over(self, job: Job) -> bool:
        """Say whether a job ended so long ago that it is no longer kept."""
        return job.state.is_terminal and time.time() - (job.completed_at or 0) > self._retention_s

    async def drop_due(self) -> None:
        """Drop what Redis knows to be due, if no other dispatcher does.

        Raises:
            RequestError: a server is away.
        """
        if not await self._try_lead("retention", for_s=_LEAD_FOR_S):
            return
        await self._batches.drop_old()
        for shelf in (Shelf.ENDED, Shelf.HITS):
            for _ in range(_MOST // _IN_ONE_GO):
                due = await self._records.due(
                    shelf,
                    count=self._retention_count,
                    before=time.time() - self._retention_s,
                    limit=_IN_ONE_GO,
                )
                await self.drop(due)
                if len(due) < _IN_ONE_GO:
                    break
        if await self._try_lead("packs", for_s=_PACKS_EVERY_S):
            await self._packs.drop_old(retention_s=self._retention_s, count=self._retention_count)
        if await self._try_lead("sweep", for_s=_SWEEP_EVERY_S):
            await self.sweep()

    async def drop(self, job_ids: Collection[str]) -> None:
        """Drop ended jobs.

        Raises:
            RequestError: a server is away.
        """
        left = iter(job_ids)
        while some := list(islice(left, _AT_A_TIME)):
            found = await self._records.find_all(some)
            jobs = [each and each[0] for each in found]
            await asyncio.gather(*map(self._drop, some, jobs))

    async def sweep(self) -> None:
        """Drop what is too old by the archive alone.

        Raises:
            RequestError: a server is away.
        """
        undelivered = {job_id async for job_id, _ in self._archive.list(DELIVERIES)}
        old = await self._older(ENDED, self._retention_s)
        await self.drop(old - undelivered)
        for batch_id in await self._older(BATCHES, self._retention_s):
            await self._batches.drop(batch_id)
        for name in await self._older(KEYS, self._key_retention_s):
            await self._objects.remove(f"{KEYS}/{name}")

    async def _older(self, folder: str, retention_s: float) -> set[str]:
        oldest = time.time() - retention_s - _SLACK_S
        return {record_id async for record_id, at in self._archive.list(folder) if at < oldest}

    async def _drop(self, job_id: str, job: Job | None) -> None:
        # The record first: what Redis still knows is found again. A pack goes as a whole.
        if job is None or not belongs_in_pack(job):
            # A record as open that could not be removed then would have it done again now.
            await self._archive.close(job_id)
            await self._archive.drop(job_id)
        tenant = None if job is None else job.tenant
        await self._records.drop(job_id, tenant, is_remembered=True)
