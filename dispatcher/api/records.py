"""Jobs and batches as one caller sees them: those of others do not exist.

The one place that decides whose a record is. Whether an id was never given out or belongs to
somebody else must not show, so both are the same error.
"""

from dispatcher.errors import NotFoundError
from dispatcher.jobs import Batch, Job
from dispatcher.results.base import ResultStore


class RecordView:
    """Reads records for a caller, named by the owner of its API key; empty without keys."""

    def __init__(self, results: ResultStore) -> None:
        self._results = results

    async def job(self, job_id: str, *, tenant: str) -> Job:
        """Return a job of the caller's.

        Raises:
            NotFoundError: there is none, for this caller.
            GoneError: it has ended and its retention has passed.
        """
        job = await self._results.get(job_id)
        if job.tenant != tenant:
            raise NotFoundError
        return job

    async def wait(self, job_id: str, *, tenant: str, timeout_s: float) -> Job:
        """Return a job of the caller's as soon as it has ended, or as it is after the time-out.

        Raises:
            NotFoundError: there is none, for this caller; told at once.
            GoneError: it has ended and its retention has passed.
        """
        job = await self.job(job_id, tenant=tenant)
        if job.state.is_terminal:
            return job
        return await self._results.wait(job_id, timeout_s=timeout_s)

    async def batch(self, batch_id: str, *, tenant: str) -> Batch:
        """Return a batch of the caller's.

        Raises:
            NotFoundError: there is none, for this caller, or its retention has passed.
        """
        batch = await self._results.get_batch(batch_id)
        if batch.tenant != tenant:
            raise NotFoundError
        return batch
