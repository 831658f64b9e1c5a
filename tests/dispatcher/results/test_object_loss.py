"""The object store may be away: nothing is accepted, what Redis has is read, no outcome is lost."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from dispatcher.errors import NotFoundError, StorageUnavailableError
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import end, hit, make_batch
from tests.dispatcher.results.sharing import Sharing
from tests.dispatcher.waiting import until
from tests.servers.proxy import TcpProxy

AT_ONCE_S = 5.0


@pytest.fixture
async def store(exposed: Sharing) -> AsyncIterator[RedisResultStore]:
    """A store whose object store is behind the proxy."""
    yield await exposed.open()


async def is_known(store: RedisResultStore, job_id: str) -> bool:
    try:
        await store.get(job_id)
    except NotFoundError:
        return False
    return True


async def test_nothing_is_accepted_that_is_not_safe(
    store: RedisResultStore, proxy: TcpProxy
) -> None:
    proxy.refuse()
    for call in (
        store.add(make_job("a")),
        store.add(hit("b")),
        store.add(failed(make_job("c"))),
        store.add_batch(make_batch()),
    ):
        async with asyncio.timeout(AT_ONCE_S):
            with pytest.raises(StorageUnavailableError) as refused:
                await call
        assert refused.value.retry_after_s
    proxy.heal()


async def test_what_was_refused_is_forgotten_once_the_store_is_back(
    store: RedisResultStore, proxy: TcpProxy
) -> None:
    await store.add(make_job("a"))
    proxy.refuse()
    forgetting = asyncio.create_task(store.discard("a"))
    await until(store.unready)
    forgetting.cancel()  # whoever was refused is not kept waiting
    await asyncio.gather(forgetting, return_exceptions=True)
    proxy.heal()
    await until(lambda: store.unready() is None)
    async with asyncio.timeout(20):
        while await is_known(store, "a"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [job_id async for job_id in store.open_ids(older_than_s=-60)] == []


async def test_what_redis_has_is_read(store: RedisResultStore, proxy: TcpProxy) -> None:
    job = make_job("a")
    await store.add(job)
    ended = await end(store, "b")
    assert len(await store.list_jobs(tenant="")) == 2
    proxy.refuse()
    async with asyncio.timeout(AT_ONCE_S):
        assert await store.get("a") == job
        assert await store.get("b") == ended
        assert await store.save(job.started(time.time()))
        assert [found.id for found in await store.list_jobs(tenant="")] == ["b", "a"]
    await until(store.unready)
    proxy.heal()


async def test_the_outcome_of_work_waits_until_it_can_be_recorded(
    store: RedisResultStore, proxy: TcpProxy
) -> None:
    job = make_job("a")
    await store.add(job)
    proxy.refuse()
    ended = completed(job)
    saving = asyncio.create_task(store.save(ended))
    await until(store.unready)
    assert not saving.done()
    proxy.heal()
    async with asyncio.timeout(20):
        assert await saving
    assert await store.get("a") == ended


async def test_a_cancellation_does_not_wait(store: RedisResultStore, proxy: TcpProxy) -> None:
    job = make_job("a")
    await store.add(job)
    proxy.refuse()
    async with asyncio.timeout(AT_ONCE_S):
        with pytest.raises(StorageUnavailableError):
            await store.save(job.cancelled(time.time()))
    proxy.heal()


async def test_one_who_is_stopped_while_an_end_is_recorded_has_not_undone_it(
    store: RedisResultStore, proxy: TcpProxy
) -> None:
    job = make_job("a")
    await store.add(job)
    proxy.refuse()
    ended = completed(job)
    saving = asyncio.create_task(store.save(ended))
    await until(store.unready)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    proxy.heal()
    async with asyncio.timeout(20):
        assert await store.wait("a", timeout_s=20) == ended
