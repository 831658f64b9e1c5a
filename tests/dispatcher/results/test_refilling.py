"""Redis has lost everything: one dispatcher puts back what the object store has."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import Job
from dispatcher.results.archive import Archive
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.ending import RETENTION_S
from tests.dispatcher.results.sharing import Sharing

Meanwhile = Callable[[Job], Awaitable[object]]


async def listed(store: RedisResultStore) -> list[Job]:
    return await store.list_jobs(tenant="", limit=1000)


@pytest.fixture
async def store(sharing: Sharing) -> AsyncIterator[RedisResultStore]:
    """A store whose lists are complete."""
    store = await sharing.open()
    await listed(store)
    yield store


def do_once_read(monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile) -> None:
    """Have something happen to each open job as soon as its record has been read."""
    find_open = Archive.find_open

    async def find(archive: Archive, job_id: str) -> Job | None:
        job = await find_open(archive, job_id)
        if job is not None:
            await meanwhile(job)
        return job

    monkeypatch.setattr(Archive, "find_open", find)


async def test_the_record_of_each_open_job_is_read_once(
    sharing: Sharing, store: RedisResultStore, reads: Counter[str]
) -> None:
    jobs = [make_job(f"job-{number}") for number in range(40)]
    for job in jobs:
        await store.add(job)
    sharing.forget()
    assert await listed(store) == jobs[::-1]
    assert reads == {f"open/{job.id}": 1 for job in jobs}


async def test_ends_that_redis_has_already_are_not_read_again(
    sharing: Sharing, store: RedisResultStore, reads: Counter[str]
) -> None:
    ended = []
    for job in [make_job(f"job-{number}") for number in range(40)]:
        await store.add(job)
        ended.append(completed(job))
        await store.save(ended[-1])
    reads.clear()
    sharing.forget()
    assert await listed(store) == ended[::-1]
    assert reads == {f"ended/{job.id}": 1 for job in ended}
    reads.clear()
    for key in (*sharing.raw.keys("*complete"), *sharing.raw.keys("*job:job-7")):
        sharing.raw.delete(key)  # it went away again before all was there
    assert await listed(store) == ended[::-1]
    assert reads == {"ended/job-7": 1}


async def test_a_job_that_is_discarded_meanwhile_does_not_come_back(
    sharing: Sharing, store: RedisResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.add(make_job("a"))
    do_once_read(monkeypatch, lambda job: store.discard(job.id))
    sharing.forget()
    assert await listed(store) == []
    with pytest.raises(NotFoundError):
        await store.get("a")


async def test_a_job_that_ends_meanwhile_is_listed_as_ended(
    sharing: Sharing, store: RedisResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("a")
    await store.add(job)
    archive, ended = Archive(await sharing.objects()), completed(job)

    async def end(_: Any) -> None:
        """End it as one that dies before it has told Redis."""
        await archive.end(ended)
        await archive.close("a")

    do_once_read(monkeypatch, end)
    sharing.forget()
    assert await listed(store) == [ended]


async def test_an_end_is_put_back_also_where_the_job_is_still_recorded_as_open(
    sharing: Sharing, store: RedisResultStore
) -> None:
    job = make_job("a")
    await store.add(job)
    ended = completed(job)
    await Archive(await sharing.objects()).end(ended)  # by one that died then
    sharing.forget()
    assert await listed(store) == [ended]


async def test_what_ended_too_long_ago_is_not_put_back_as_open(
    sharing: Sharing, store: RedisResultStore
) -> None:
    job = make_job("a")
    await store.add(job)
    long_ago = completed(job, at=time.time() - 2 * RETENTION_S)
    await Archive(await sharing.objects()).end(long_ago)  # by one that died then
    sharing.forget()
    assert await listed(store) == []
    with pytest.raises(GoneError):
        await store.get("a")
