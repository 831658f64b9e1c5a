import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.errors import StorageUnavailableError
from dispatcher.jobs import Job
from dispatcher.results.change_feed import ChangeFeed
from dispatcher.results.waiting import Waiters
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.waiting import turns


class Store:
    """As much of one as is read, and one who waits."""

    def __init__(self, *, look_every_s: float = 3600.0) -> None:
        self.job: Job = make_job()
        self.reads = 0
        self.failures: list[Exception] = []
        self.ended: list[str] = []
        self.waiters = Waiters(self.read)
        self.feed = ChangeFeed(
            self.waiters, look=self.read, on_ended=self.ended.append, look_every_s=look_every_s
        )

    async def read(self, job_id: str) -> Job:
        """Return the job."""
        self.reads += 1
        if self.reads > 1 and self.failures:
            raise self.failures.pop()
        return self.job

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator["asyncio.Task[Job]"]:
        """Have somebody wait for its end while the feed runs."""
        running = asyncio.create_task(self.feed.run())
        waiting = asyncio.create_task(
            self.waiters.wait("job-1", until=lambda job: job.state.is_terminal, timeout_s=60)
        )
        await turns(3)
        yield waiting
        running.cancel()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


def another() -> ChangeFeed:
    """The feed of another dispatcher."""
    return Store().feed


async def test_a_message_of_another_dispatcher_wakes() -> None:
    store = Store()
    async with store.waiting() as waiting, asyncio.timeout(5):
        store.job = completed(store.job)
        store.feed.take(another().message(store.job))
        assert await waiting == store.job
        assert store.ended == ["job-1"]


async def test_a_message_about_a_job_that_nobody_waits_for_reads_nothing() -> None:
    store = Store()
    async with store.waiting():
        reads = store.reads
        store.feed.take(another().message(completed(make_job("other"))))
        await turns(5)
        assert (store.reads, store.ended) == (reads, ["other"])


async def test_a_change_that_is_no_end_is_told_as_such() -> None:
    store = Store()
    store.feed.take(another().message(make_job().started(1.0)))
    assert store.ended == []


async def test_our_own_messages_are_no_news() -> None:
    store = Store()
    store.feed.take(store.feed.message(completed(store.job)))
    assert store.ended == []


@pytest.mark.parametrize("message", [b"", b" ", b"x", b"x y", b"\xff \xff \xff", b"a b c d"])
async def test_what_is_no_message_does_no_harm(message: bytes) -> None:
    store = Store()
    async with store.waiting() as waiting:
        store.feed.take(message)
        await turns(5)
        assert not waiting.done()


@pytest.mark.parametrize("error", [StorageUnavailableError(), ValueError()])
async def test_what_cannot_be_read_is_read_again(error: Exception) -> None:
    store = Store(look_every_s=0.01)
    store.failures = [error, error]
    async with store.waiting() as waiting, asyncio.timeout(5):
        store.job = completed(store.job)
        assert await waiting == store.job


async def test_when_redis_is_back_all_that_is_waited_for_is_read() -> None:
    store = Store()
    async with store.waiting() as waiting, asyncio.timeout(5):
        store.job = completed(store.job)
        store.feed.hurry()
        assert await waiting == store.job
