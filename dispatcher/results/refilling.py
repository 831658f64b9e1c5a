"""After Redis has lost everything: what the archive has is put into it again, by one dispatcher."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from dispatcher.errors import NotFoundError
from dispatcher.jobs import Job
from dispatcher.results.archive import BATCHES, DELIVERIES, ENDED, OPEN, Archive
from dispatcher.results.hit_packs import HitPacks
from dispatcher.results.ledger import Ledger
from dispatcher.results.shared_batches import SharedBatches
from dispatcher.results.shared_records import SharedRecords
from dispatcher.results.shared_retention import SharedRetention, TryLead

_log = logging.getLogger(__name__)

T = TypeVar("T")
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
        ended = list(await self._archive.list_by_age(ENDED))
        count = 0
        async for jobs in self._read_ended(ended):
            count += await self._put_back(jobs, undelivered)
        count += await self._put_open_back(set(ended))
        async for hits in self._packs.all():
            count += await self._put_back(hits, undelivered)
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

    async def _put_open_back(self, ended: set[str]) -> int:
        """Have Redis know again what has not ended; return how many jobs.

        Each record is read once. That it was discarded, or ended, meanwhile shows in one more list
        of all of them, which is one request for a thousand; the records themselves are a thousand.
        """
        tenants: dict[str, str] = {}
        ids = [job_id for job_id in await self._archive.list_by_age(OPEN) if job_id not in ended]
        async for jobs in self._read(ids, self._archive.find_open):
            await self._put_back(jobs, set())
            tenants.update((job.id, job.tenant) for job in jobs)
        count = len(tenants)
        async for job_id, _ in self._archive.list(OPEN):
            tenants.pop(job_id, None)
        for some in _portions(list(tenants.items())):
            await asyncio.gather(*(self._ledger.correct(job_id, of) for job_id, of in some))
        return count

    async def _read_ended(self, ids: Sequence[str]) -> AsyncIterator[list[Job]]:
        """Yield jobs that have ended and that Redis does not know as such, some at a time.

        An end is for ever, and is kept together with its place in the lists. So when Redis goes
        away before it has all, the next attempt does not begin anew with them.
        """
        for some in _portions(ids):
            known = [entry[0] for entry in await self._records.find_all(some) if entry]
            ended = {job.id for job in known if job.state.is_terminal}
            missing = [job_id for job_id in some if job_id not in ended]
            async for jobs in self._read(missing, self._archive.find_ended):
                yield jobs

    async def _read(
        self, ids: Sequence[str], find: Callable[[str], Awaitable[Job | None]]
    ) -> AsyncIterator[list[Job]]:
        """Yield the jobs of which there are records, some at a time."""
        for some in _portions(ids):
            yield [job for job in await asyncio.gather(*map(find, some)) if job is not None]

    async def _put_back(self, jobs: Iterable[Job], undelivered: set[str]) -> int:
        """Have Redis know jobs again; return how many."""
        kept = [j for j in jobs if j.id in undelivered or not self._retention.is_over(j)]
        for some in _portions(kept):
            await asyncio.gather(*map(self._ledger.put_back, some))
        await self._try_lead(_DUTY, for_s=_LEAD_FOR_S)
        return len(kept)


def _portions(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a sequence into what is asked of a server at once."""
    return (whole[start : start + _AT_A_TIME] for start in range(0, len(whole), _AT_A_TIME))
