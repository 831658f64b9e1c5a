"""What a consumer does with jobs, one step at a time."""

from dispatcher.jobs import Job, JobState, Output
from tests.dispatcher.records import completed
from tests.dispatcher.rooms import Rooms

OUTPUT = Output("o" * 64, "image/png", 1, 1, {})


async def state_of(rooms: Rooms, job: Job) -> JobState:
    return (await rooms.results.get(job.id)).state


async def take(rooms: Rooms) -> Job:
    """Take the next job off the queue."""
    lease = await rooms.next_lease()
    job = await rooms.results.get(lease.job_id)
    await rooms.results.save(job.started(job.queued_at))
    return job


async def outcome(rooms: Rooms, job: Job, *, with_picture: bool = False) -> Job:
    """Settle what came out of a job: its own end, or too late for that."""
    outputs: tuple[Output, ...] = ()
    if with_picture:
        await rooms.blobs.put(OUTPUT.digest, b"picture")
        outputs = (OUTPUT,)
    ended = completed(job, outputs=outputs)
    await settle(rooms, ended)
    return ended


async def settle(rooms: Rooms, ended: Job) -> None:
    """Do with a job what a consumer does with one that was worked on to the end."""
    is_kept = await rooms.results.save(ended)
    if is_kept:
        rooms.figures.count_ended(ended)
    await rooms.endings.settle(ended, is_kept=is_kept)
