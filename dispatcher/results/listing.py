"""Lists of jobs: from the indexes in Redis, once they are complete."""

import asyncio
import time
from collections.abc import Collection
from typing import Final

from dispatcher.errors import ResultsUnavailableError
from dispatcher.jobs import Job, JobState
from dispatcher.results.ledger import Ledger
from dispatcher.results.matching import matches
from dispatcher.results.refilling import Refilling
from dispatcher.results.shared_retention import SharedRetention

_COMPLETE_WITHIN_S: Final = 3.0
"""How long one who asks waits for a list that is being put together again."""
_POLL_S: Final = 0.1
_RETRY_AFTER_S: Final = 2


class Listing:
    """Answers who wants to know which jobs there are."""

    def __init__(self, ledger: Ledger, retention: SharedRetention, refilling: Refilling) -> None:
        self._ledger = ledger
        self._retention = retention
        self._refilling = refilling

    async def list_jobs(
        self,
        *,
        tenant: str | None,
        states: Collection[JobState],
        text: str,
        before: str | None,
        limit: int,
    ) -> list[Job]:
        """Return jobs, the latest accepted first; see ``ResultStore.list_jobs``.

        Raises:
            ResultsUnavailableError: Redis is away, or does not know all jobs yet.
            StorageUnavailableError: Redis has lost some of them, and they cannot be read now.
        """

        def is_wanted(job: Job) -> bool:
            return matches(job, states=states, text=text) and not self._retention.is_over(job)

        ends_at = time.monotonic() + _COMPLETE_WITHIN_S
        while True:
            jobs = await self._ledger.page(tenant, is_wanted=is_wanted, before=before, limit=limit)
            if jobs is not None:
                return jobs
            if time.monotonic() > ends_at:
                raise ResultsUnavailableError(
                    "The list is being put together again.", retry_after_s=_RETRY_AFTER_S
                )
            await self._refilling.run_if_needed()
            await asyncio.sleep(_POLL_S)
