"""What a result store promises."""

from collections.abc import Callable
from typing import Protocol

from dispatcher.jobs import Batch, Job

OnDropped = Callable[[Job | Batch], None]
"""Called with what a store no longer keeps."""


class ResultStore(Protocol):
    """Jobs by id, from their acceptance until their retention has passed.

    Promises of every backend:

    - ``add`` and ``save`` never replace a job that has ended: a job has one terminal state, once.
    - Whoever waits for a job is woken by the ``save`` that ends it.
    - Jobs that have not ended are never dropped; ended ones go oldest first, by age and count.
      For as long as the backend remembers the id, reading one of those raises ``GoneError``.
      Batches go likewise, by age and by the count of their files. Whatever is dropped is handed
      to ``on_dropped`` once, so that what it holds elsewhere can go, too.
    """

    async def start(self) -> None:
        """Open the backend."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def add(self, job: Job) -> None:
        """Keep a new job."""
        ...

    async def save(self, job: Job) -> bool:
        """Replace a job by its next state; False when the stored one has ended already."""
        ...

    async def discard(self, job_id: str) -> None:
        """Forget a job that was never accepted."""
        ...

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: no such job.
            GoneError: it has ended and its retention has passed.
        """
        ...

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """Return a job as soon as it has ended, or as it is after the time-out.

        Raises:
            NotFoundError: no such job.
            GoneError: it has ended and its retention has passed.
        """
        ...

    async def add_batch(self, batch: Batch) -> None:
        """Keep a new batch."""
        ...

    async def get_batch(self, batch_id: str) -> Batch:
        """Return a batch.

        Raises:
            NotFoundError: no such batch, or its retention has passed.
        """
        ...

    async def drop_old(self) -> None:
        """Drop what is older than its retention; called now and then."""
        ...

    def count(self) -> int:
        """Return how many jobs are kept."""
        ...
