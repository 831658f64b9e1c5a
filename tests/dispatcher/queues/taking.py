"""Jobs put into a queue and taken off it by name."""

from collections.abc import Collection

from dispatcher.jobs import Job, Priority
from dispatcher.queues.base import JobQueue, Lease
from tests.dispatcher.records import make_job

CAPACITY = 3
LANE = "default"


def jobs(*names: str, lane: str = LANE) -> list[Job]:
    """Jobs of these ids that wait in a lane."""
    return [make_job(name, pipeline_id=lane) for name in names]


async def put(queue: JobQueue, *job_ids: str, lane: str = LANE) -> None:
    """Put jobs one after the other."""
    for job_id in job_ids:
        await queue.put(jobs(job_id, lane=lane))


async def take(queue: JobQueue, lanes: Collection[str] = (LANE,)) -> Lease:
    """Lease the next job, which must be there."""
    lease = await queue.reserve(lanes)
    assert lease is not None
    return lease


async def take_all(queue: JobQueue, lanes: Collection[str] = (LANE,)) -> list[str]:
    """Lease all jobs of these lanes, and return their ids in the order in which they came."""
    taken = []
    while (lease := await queue.reserve(lanes)) is not None:
        taken.append(lease.job_id)
    return taken


def job(
    name: str, priority: Priority = Priority.NORMAL, *, lane: str = LANE, size_bytes: int = 0
) -> Job:
    """A job that waits in a lane."""
    return make_job(name, pipeline_id=lane, priority=priority, size_bytes=size_bytes)
