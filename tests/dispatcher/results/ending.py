"""Jobs that end, and what a store drops."""

import time
from dataclasses import dataclass, field

import pytest

from dispatcher.jobs import Batch, Job, SentFile
from dispatcher.results.base import ResultStore
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.waiting import until

RETENTION_S = 60.0
RETENTION_COUNT = 3
KEY_RETENTION_S = 2 * RETENTION_S


one_process = pytest.mark.parametrize("results", ["memory", "sqlite"], indirect=True)
"""For what only a store of one process promises: it alone knows who holds which bytes, and so
hands over what it drops, at once. Of several dispatchers one drops for all, now and then."""


@dataclass
class Dropped:
    """What a store handed over as no longer kept."""

    records: list[Job | Batch] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [record.id for record in self.records]


async def end(results: ResultStore, job_id: str, *, at: float | None = None) -> Job:
    """Add a job and complete it, by default now."""
    job = make_job(job_id)
    await results.add(job)
    ended = completed(job, at=at)
    assert await results.save(ended)
    return ended


async def let_drop(results: ResultStore) -> None:
    """Have a store drop what has to go, which those of one process have done already."""
    if isinstance(results, RedisResultStore):
        await results.drop_old()


async def expect_count(results: ResultStore, count: int) -> None:
    """Check how many jobs are kept; several dispatchers know that only after a moment."""
    if not isinstance(results, RedisResultStore):
        assert results.count() == count
    await let_drop(results)  # which counts as well
    await until(lambda: results.count() == count)


def hit(job_id: str, *, at: float | None = None) -> Job:
    """A job that was answered from the cache, by default now."""
    queued_at = time.time() if at is None else at
    job = make_job(job_id, queued_at=queued_at)
    return job.served_from_cache({"predictions": ["koala"]}, (), "r1")


def make_batch(batch_id: str = "batch-1", *, at: float | None = None) -> Batch:
    """A batch of two files, by default of now."""
    return Batch(
        id=batch_id,
        created_at=time.time() if at is None else at,
        files=tuple(
            SentFile(f"{batch_id}-{n}", f"{n}.png", str(n) * 64, "image/png") for n in range(2)
        ),
    )


def too_long_ago(seconds: float = 1.0) -> float:
    """A moment so many seconds before what is kept."""
    return time.time() - RETENTION_S - seconds
