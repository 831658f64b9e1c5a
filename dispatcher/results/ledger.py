"""Jobs as the archive and Redis know them together: the archive is right, Redis is fast.

Whatever Redis has may be gone, or old, at any time; that costs time and nothing else. A state in
Redis that is not the last one is compared with the archive every few seconds.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final

from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.jobs import Job
from dispatcher.results.archive import Archive
from dispatcher.results.ends import FRESH_S, Ends
from dispatcher.results.hit_packs import HitPacks
from dispatcher.results.shared_records import Kept, SharedRecords

_FRESH_IN_LISTS_S: Final = 60.0
_MOST_UNTOLD: Final = 10_000
_AT_A_TIME: Final = 16
_PAGE: Final = 500
_MOST_COMPARED: Final = 50
"""So many jobs of a list are compared with the archive: the list may have thousands that wait."""

IsInHand = Callable[[Collection[str]], Awaitable[set[str]]]
"""Returns those of some jobs that are known to wait, or to be in work."""


async def nobody_knows(job_ids: Collection[str]) -> set[str]:
    """Know of no job that it waits."""
    return set()


class Ledger:
    """Finds and changes jobs in both places."""

    def __init__(
        self,
        archive: Archive,
        packs: HitPacks,
        records: SharedRecords,
        *,
        is_archive_away: Callable[[], bool],
        in_hand: IsInHand = nobody_knows,
    ) -> None:
        """Use both.

        Args:
            archive: is right.
            packs: are right about hits.
            records: are fast.
            is_archive_away: says whether asking the archive would only take time.
            in_hand: tells which jobs certainly have not ended.
        """
        self._archive = archive
        self._packs = packs
        self._records = records
        self._is_archive_away = is_archive_away
        self._in_hand = in_hand
        self.ends: Final = Ends(
            archive, records, is_archive_away=is_archive_away, remember=self.remember
        )
        self._untold: dict[str, tuple[Job, bytes]] = {}
        """Ended jobs of which Redis has not heard, with what it shall tell the others."""

    async def find(self, job_id: str) -> Job | None:
        """Return a job as it is; None when there is none.

        Raises:
            StorageUnavailableError: it cannot be told.
        """
        with contextlib.suppress(ResultsUnavailableError):
            found = await self._records.find(job_id)
            if found is not None:
                job, age_s = found
                is_sure = job.state.is_terminal or age_s < FRESH_S
                return job if is_sure else await self._compared(job)
        archived = await self._archive.find(job_id)
        if archived is None and not await self.was_dropped(job_id):
            archived = await self._packs.find(job_id)
        if archived is not None:
            await self.remember(archived)
        return archived

    async def open(self, job: Job) -> None:
        """Record a job as accepted; it is safe when this returns.

        Raises:
            StorageUnavailableError: it cannot be told whether it is recorded.
        """
        await self._archive.open(job)

    async def show(self, job: Job) -> None:
        """Let a job that was recorded be seen, unless it has ended meanwhile."""
        with contextlib.suppress(ResultsUnavailableError):
            if await self._records.keep(job) is Kept.TOO_LATE and not job.state.is_terminal:
                await self._archive.close(job.id)

    async def advance(self, job: Job, *, message: bytes) -> bool:
        """Keep a state that is not the last one; False when the job has ended, or is unknown.

        Args:
            job: in that state.
            message: what the other dispatchers are told.

        Raises:
            StorageUnavailableError: Redis does not know the job and the archive cannot be asked.
        """
        kept = Kept.UNKNOWN
        with contextlib.suppress(ResultsUnavailableError):
            kept = await self._records.keep(job, must_be_known=True, message=message)
        if kept is not Kept.UNKNOWN:
            return kept is Kept.YES
        known = await self._archive.find(job.id)
        if known is None or known.state.is_terminal:
            return False
        with contextlib.suppress(ResultsUnavailableError):
            return await self._records.keep(job, message=message) is Kept.YES
        return True

    async def end(self, job: Job, *, message: bytes) -> Job:
        """Record the end of a job, if it is the first; return the end that counts.

        Args:
            job: as it ended.
            message: what the other dispatchers are told; nothing when it is empty.

        Raises:
            StorageUnavailableError: it cannot be told whether it is recorded.
        """
        first = await self._archive.end(job)
        if first is not job:
            await self.remember(first)
            return first
        await self._tell(job, message)
        return job

    async def add_hit(self, job: Job) -> None:
        """Record a hit that has nothing else to it; it is safe when this returns.

        Raises:
            StorageUnavailableError: it cannot be told whether it is recorded.
        """
        await self._packs.add(job)
        await self._tell(job, b"")

    async def tell_untold(self) -> None:
        """Have Redis hear of what ended while it was away.

        Raises:
            ResultsUnavailableError: it is still away.
        """
        for job_id, (job, message) in list(self._untold.items()):
            await self._records.keep(job, message=message)
            del self._untold[job_id]

    async def remember(self, job: Job) -> None:
        """Have Redis know again what the archive says, if that can be."""
        with contextlib.suppress(ResultsUnavailableError, StorageUnavailableError):
            await self.put_back(job)
            if not job.state.is_terminal:  # it may have been discarded since it was read
                await self.correct(job.id, job.tenant)

    async def put_back(self, job: Job) -> None:
        """Have Redis know again what the archive said.

        Raises:
            ResultsUnavailableError: Redis is away.
        """
        await self._records.keep(job, is_undelivered=await self.is_undelivered(job))

    async def correct(self, job_id: str, tenant: str | None) -> None:
        """Compare a job that Redis has as open with the archive.

        Raises:
            ResultsUnavailableError: Redis is away.
            StorageUnavailableError: the archive is.
        """
        if await self._archive.find_open(job_id) is not None:
            return  # should it have ended just now, whoever ended it tells Redis
        ended = await self._archive.find_ended(job_id)
        if ended is None:
            await self.forget(job_id, tenant)
        else:
            await self.put_back(ended)

    async def is_undelivered(self, job: Job) -> bool:
        """Say whether the webhook of a job is still to be delivered."""
        if job.webhook_url is None or not job.state.is_terminal:
            return False
        try:
            return await self._archive.is_undelivered(job.id)
        except StorageUnavailableError:
            return True

    async def close(self, job_id: str) -> None:
        """Remove the record of a job as open, which has ended or was never accepted.

        Raises:
            StorageUnavailableError: it may still be there.
        """
        await self._archive.close(job_id)

    async def take_back(self, job: Job) -> None:
        """Remove a job that was recorded as ended but is not kept after all.

        Raises:
            StorageUnavailableError: it may still be there.
        """
        await self._archive.drop(job.id)
        await self.forget(job.id, job.tenant)

    async def forget(self, job_id: str, tenant: str | None) -> None:
        """Have Redis forget a job that was never accepted, or of which nothing is left."""
        with contextlib.suppress(ResultsUnavailableError):
            await self._records.drop(job_id, tenant, is_remembered=False)

    async def was_dropped(self, job_id: str) -> bool:
        """Say whether there was such a job, as far as that is remembered."""
        with contextlib.suppress(ResultsUnavailableError):
            return await self._records.is_gone(job_id)
        return False

    async def page(
        self,
        tenant: str | None,
        *,
        is_wanted: Callable[[Job], bool],
        before: str | None,
        limit: int,
        step: int = _PAGE,
    ) -> list[Job] | None:
        """Return jobs, the latest accepted first; None when the lists are not complete.

        A job is wanted, or not, as Redis knows it. Where that is not sure, those that are wanted
        are compared with the archive, but no more than a few dozen.

        Args:
            tenant: whose; None means everybody's.
            is_wanted: which of them.
            before: only what was accepted before this job.
            limit: at most so many.
            step: how many are looked at together.

        Raises:
            RequestError: a server is away.
        """
        found: list[Job] = []
        left = _MOST_COMPARED
        while len(found) < limit:
            ids = await self._records.list_ids(tenant, before=before, limit=step)
            if ids is None:
                return None
            jobs, compared = await self._load(ids, tenant, is_wanted=is_wanted, most=left)
            found += jobs
            left -= compared
            if len(ids) < step:
                break
            before = ids[-1]
        return found[:limit]

    async def _tell(self, job: Job, message: bytes) -> None:
        """Have Redis hear of an end, now or when it is back."""
        try:
            await self._records.keep(job, message=message)
        except ResultsUnavailableError:
            if len(self._untold) < _MOST_UNTOLD:  # the others will find out by themselves
                self._untold[job.id] = (job, message)

    async def _load(
        self,
        ids: Sequence[str],
        tenant: str | None,
        *,
        is_wanted: Callable[[Job], bool],
        most: int,
    ) -> tuple[list[Job], int]:
        """Return those jobs that there still are and that are wanted, in this order.

        Also return how many of them were compared with the archive, which are at most so many.
        """
        known = await self._records.find_all(ids)
        entries = [entry for entry in known if entry is not None and is_wanted(entry[0])]
        found = {job.id: job for job, _ in entries}
        lost = [job_id for job_id, entry in zip(ids, known, strict=True) if entry is None]
        doubtful = await self._doubtful(
            job.id
            for job, age_s in entries
            if not job.state.is_terminal and age_s >= _FRESH_IN_LISTS_S
        )
        await self._look_up([*lost, *doubtful[:most]], found, tenant)
        jobs = [found[job_id] for job_id in ids if job_id in found]
        return list(filter(is_wanted, jobs)), len(doubtful[:most])

    async def _doubtful(self, unsure: Iterable[str]) -> list[str]:
        """Return those of some jobs of which nobody knows that they wait or are in work."""
        job_ids = list(unsure)
        waiting: set[str] = set()
        if job_ids:
            with contextlib.suppress(ResultsUnavailableError):
                waiting = await self._in_hand(job_ids)
        return [job_id for job_id in job_ids if job_id not in waiting]

    async def _look_up(
        self, job_ids: Sequence[str], found: dict[str, Job], tenant: str | None
    ) -> None:
        """Put jobs as they really are into what was found, and take out what is gone."""
        for start in range(0, len(job_ids), _AT_A_TIME):
            some = job_ids[start : start + _AT_A_TIME]
            for job_id, job in zip(some, await asyncio.gather(*map(self.find, some)), strict=True):
                if job is None:
                    found.pop(job_id, None)
                    await self.forget(job_id, tenant)
                else:
                    found[job_id] = job

    async def _compared(self, job: Job) -> Job | None:
        """Return a job that has not ended as far as Redis knows, as it really is."""
        if self._is_archive_away():
            return job
        try:
            archived = await self._archive.find(job.id)
        except StorageUnavailableError:
            return job
        if archived is None:  # it was not accepted after all
            await self.forget(job.id, job.tenant)
            return None
        if archived.state.is_terminal:
            await self.remember(archived)
            return archived
        with contextlib.suppress(ResultsUnavailableError):
            await self._records.keep(job)  # known to be right as of now
        return job
