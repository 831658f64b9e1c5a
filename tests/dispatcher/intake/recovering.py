"""A dispatcher that is killed, and the one that comes after it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dispatcher.intake.recovery import Recovery
from dispatcher.jobs import Job
from tests.dispatcher.rooms import Rooms, durable_rooms
from tests.dispatcher.storage.crashing import killed


async def kill(rooms: Rooms, folder: Path) -> Path:
    """Return a folder as rooms would leave theirs, were they killed once all is written."""
    assert rooms.writer is not None
    await rooms.writer.catch_up()
    return killed(folder)


def recovery_of(rooms: Rooms) -> Recovery:
    return Recovery(
        queue=rooms.queue,
        results=rooms.results,
        blobs=rooms.blobs,
        cache=rooms.cache,
        coalescing=rooms.coalescing,
        watch=rooms.deadlines.watch,
    )


@asynccontextmanager
async def recovered(folder: Path) -> AsyncIterator[Rooms]:
    """Open rooms over what others left, and recover."""
    async with durable_rooms(folder, capacity=100_000) as rooms:
        await recovery_of(rooms).run()
        yield rooms


async def finish_all(rooms: Rooms) -> list[str]:
    """Carry all waiting jobs to their end, as a consumer does; return which were run."""
    run: list[str] = []
    while (lease := await rooms.queue.reserve(rooms.queue.lanes())) is not None:
        job = await rooms.results.get(lease.job_id)
        if job.state.is_terminal and not rooms.coalescing.claim(job.id):
            await rooms.queue.ack(lease)
            continue
        await rooms.queue.nack(lease)
        await rooms.complete_next()
        run.append(job.id)
    return run


async def holds_of_records(rooms: Rooms) -> Counter[str]:
    """Return what all records together hold."""
    holds: Counter[str] = Counter()
    async for record in rooms.results.kept():
        holds.update(record.holds)
    async for _, cached in rooms.results.cached():
        holds.update(cached.holds)
    return holds


async def is_done(rooms: Rooms, *jobs: Job) -> bool:
    return all([(await rooms.results.get(job.id)).state.is_terminal for job in jobs])
