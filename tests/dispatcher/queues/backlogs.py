"""A backlog in a real Redis, and what tests ask of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

from redis import Redis

from dispatcher.jobs import Job
from dispatcher.queues.backlog import PREFIX, Backlog
from dispatcher.queues.places import LaneSnapshot, Standing, Taken
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.queues.taking import LANE
from tests.dispatcher.records import make_job

ME, OTHER = "dispatcher-1", "dispatcher-2"
LEASE_S = 30.0
OVER_S = 0.0
"""A lease that is over when the next question is asked."""
WORK = "the same work"


@asynccontextmanager
async def open_backlog(redis_url: str) -> AsyncIterator[Backlog]:
    """A backlog with a connection of its own, as each dispatcher has one."""
    redis = RedisConnection(redis_url)
    await redis.start()
    try:
        yield Backlog(redis)
    finally:
        await redis.close()


def same(*names: str) -> list[Job]:
    """Jobs that are the same work, in the order of their acceptance."""
    return [make_job(name, work_key=WORK, queued_at=1000.0 + at) for at, name in enumerate(names)]


async def put(backlog: Backlog, *jobs: Job) -> list[Standing]:
    """Add jobs as a dispatcher does whose messages are all confirmed."""
    added = await backlog.add(jobs)
    leading = [
        job.id
        for job, standing in zip(jobs, added.standings, strict=True)
        if standing is Standing.PUBLISH
    ]
    await backlog.confirm(leading)
    return list(added.standings)


async def take(backlog: Backlog, job: Job, *, owner: str = ME, lease_s: float = LEASE_S) -> Taken:
    """Take a job into work, or be told why not."""
    return await backlog.reserve(job, owner=owner, lease_s=lease_s)


async def lane(backlog: Backlog, name: str = LANE) -> LaneSnapshot:
    """What waits and is in work in a lane."""
    nothing = LaneSnapshot(waiting=0, working=0, size_bytes=0, oldest_at=None, first_ids=())
    return (await backlog.snapshot()).lanes.get(name, nothing)


async def eventually(ask: Callable[[], Awaitable[object]], *, within_s: float = 10.0) -> None:
    """Ask until the answer is yes; fail when that takes too long."""
    async with asyncio.timeout(within_s):
        while not await ask():  # noqa: ASYNC110 - a server has no event
            await asyncio.sleep(0.01)


def age(redis_url: str, job_id: str, *, by_s: float) -> None:
    """Have a job be as if all that was done with it had been done so many seconds earlier."""
    script = files("dispatcher.queues").joinpath("scripts", "places.lua").read_text() + _AGE
    with Redis.from_url(redis_url) as client:
        client.eval(script, 1, PREFIX, job_id, by_s)


_AGE = """
local id, by = ARGV[1], tonumber(ARGV[2])
local record = read(id)
leave(id, record)
record.published, record.seen = record.published - by, record.seen - by
record.lease = record.lease and record.lease - by
enter(id, record, record.state)
"""
