"""Whether a job that is known to have been accepted has ended: less than what it is, and cheaper.

While Redis is away the object store is asked for everything, and most of that is whether a job has
ended. One of its two records tells that.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.jobs import Job
from dispatcher.results.archive import Archive
from dispatcher.results.shared_records import SharedRecords

FRESH_S: Final = 10.0
"""A job that has not ended is taken for that so long after it was last known."""


class Ends:
    """Looks for the ends of jobs, in Redis and in the archive."""

    def __init__(
        self,
        archive: Archive,
        records: SharedRecords,
        *,
        is_archive_away: Callable[[], bool],
        remember: Callable[[Job], Awaitable[None]],
    ) -> None:
        """Use both.

        Args:
            archive: is right.
            records: are fast.
            is_archive_away: says whether asking the archive would only take time.
            remember: has Redis know again what the archive says.
        """
        self._archive = archive
        self._records = records
        self._is_archive_away = is_archive_away
        self._remember = remember

    async def look(self, job_id: str) -> Job | None:
        """Return a job as it is, for somebody who waits for its end; None when nothing is known.

        Raises:
            StorageUnavailableError: nothing can be told.
        """
        known, is_sure = await self._known(job_id)
        if is_sure:
            return known
        try:
            ended = await self._archive.find_ended(job_id)
        except StorageUnavailableError:
            if known is None:
                raise
            return known
        if ended is not None:
            await self._remember(ended)
        return ended or known

    async def may_come(self, job: Job) -> bool:
        """Say whether the end of a job may be recorded: there is such a job, and it has none.

        It may have one that Redis does not know of; which end counts is seen when it is recorded.
        A webhook is left to be delivered before that, so a job with one is looked at twice.

        Raises:
            StorageUnavailableError: it cannot be told.
        """
        known, is_sure = await self._known(job.id)
        if is_sure:
            return known is not None and not known.state.is_terminal
        try:
            if await self._archive.find_open(job.id) is None:
                return False
            return job.webhook_url is None or await self._archive.find_ended(job.id) is None
        except StorageUnavailableError:
            if known is None:
                raise
            return True

    async def _known(self, job_id: str) -> tuple[Job | None, bool]:
        """Return what Redis says of a job, and whether that need not be compared."""
        found = None
        with contextlib.suppress(ResultsUnavailableError):
            found = await self._records.find(job_id)
        if found is None:
            return None, False
        job, age_s = found
        return job, job.state.is_terminal or age_s < FRESH_S or self._is_archive_away()
