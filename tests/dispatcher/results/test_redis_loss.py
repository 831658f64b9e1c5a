"""Redis may be gone, empty, old or wrong at any time: that costs time and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from dispatcher.errors import NotFoundError, ResultsUnavailableError
from dispatcher.jobs import CachedResult, Delivery, Idempotency, JobState
from dispatcher.results.sealing import PROCESSING, seal
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import end, hit, make_batch
from tests.dispatcher.results.sharing import Sharing
from tests.dispatcher.waiting import turns, until
from tests.servers.proxy import TcpProxy
from tests.servers.redis import RedisServer

AT_ONCE_S = 5.0
"""No call may take longer, whatever has become of Redis."""


@pytest.fixture
async def exposed(own_redis: RedisServer, s3_url: str) -> AsyncIterator[Sharing]:
    """Stores over a Redis that the test may interrupt."""
    async with Sharing(own_redis.url(), s3_url) as sharing:
        yield sharing


async def test_nothing_is_lost_when_redis_forgets_everything(sharing: Sharing) -> None:
    here, there = await sharing.open(), await sharing.open()
    waits, works = make_job("waits"), make_job("works")
    for job in (waits, works):
        await here.add(job)
    await here.save(works.started(time.time()))
    ended, known = await end(here, "ended"), hit("known")
    await here.add(known)
    await here.add_batch(make_batch())
    sharing.forget()
    for store in (here, there):
        assert [await store.get(i) for i in ("waits", "ended", "known")] == [waits, ended, known]
        assert (await store.get("works")).state is JobState.QUEUED, "it is run again"
        assert (await store.get_batch("batch-1")).id == "batch-1"
    assert await there.save(works.started(time.time()))
    assert await there.save(completed(works))


async def test_lists_are_complete_again_after_a_moment(sharing: Sharing) -> None:
    here, there = await sharing.open(), await sharing.open()
    names = [f"job-{number}" for number in range(40)]
    jobs = [make_job(name, tenant="ann") for name in names]
    for job in jobs:
        await here.add(job)
    await here.save(failed(jobs[7]))
    before = await there.list_jobs(tenant="ann", limit=100)
    assert [job.id for job in before] == names[::-1]
    sharing.forget()
    await here.add(make_job("younger", tenant="ann"))
    after = await there.list_jobs(tenant="ann", limit=100)
    assert [job.id for job in after] == ["younger", *names[::-1]]
    assert after[1:] == before
    await until(lambda: here.count() == there.count() == len(names) + 1)


async def test_what_is_lost_while_lists_are_filled_is_filled_in_again(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await sharing.open()
    for name in ("a", "b"):
        await end(store, name)
    assert len(await store.list_jobs(tenant="")) == 2
    records, times = store._records, 0
    note = records.note_complete

    async def lose_first(token: str) -> bool:
        nonlocal times
        times += 1
        if times == 1:
            sharing.forget()
        return await note(token)

    monkeypatch.setattr(records, "note_complete", lose_first)
    sharing.forget()
    assert [job.id for job in await store.list_jobs(tenant="")] == ["b", "a"]
    assert times > 1


async def test_a_cached_result_that_was_lost_is_a_miss(sharing: Sharing) -> None:
    store = await sharing.open()
    await store.keep_cached("key", CachedResult({}, (), "r1"))
    sharing.forget()
    assert await store.find_cached("key") is None


async def test_everything_goes_on_without_redis(exposed: Sharing, own_redis: RedisServer) -> None:
    due: list[Delivery] = []
    here, there = await exposed.open(due=due), await exposed.open()
    job, older = make_job("a", webhook_url="https://hooks.example.com/"), make_job("older")
    await here.add(older)
    await asyncio.to_thread(own_redis.kill)
    async with asyncio.timeout(12 * AT_ONCE_S):
        await here.add(job)
        assert await there.get("older") == older
        assert await there.get("a") == job
        assert await here.save(job.started(time.time()))
        ended = completed(job)
        assert await here.save(ended)
        assert not await there.save(failed(job))
        assert await there.get("a") == await there.wait("a", timeout_s=1) == ended
        assert [delivery.job_id for delivery in due] == ["a"]
        await there.add(hit("hit"))
        assert (await here.get("hit")).from_cache
        await here.add_batch(make_batch())
        assert (await there.get_batch("batch-1")).id == "batch-1"
        await here.keep_cached("key", CachedResult({}, (), "r1"))
        assert await here.find_cached("key") is None
        with pytest.raises(NotFoundError):
            await here.get("unknown")
        with pytest.raises(ResultsUnavailableError) as refused:
            await here.list_jobs(tenant="")
        assert refused.value.retry_after_s
        assert here.unready()


async def test_what_ended_while_redis_was_away_is_told_when_it_is_back(
    exposed: Sharing, own_redis: RedisServer
) -> None:
    here, there = await exposed.open(), await exposed.open()
    job = make_job()
    await here.add(job)
    waiting = asyncio.create_task(there.wait(job.id, timeout_s=60))
    await turns(3)
    await asyncio.to_thread(own_redis.kill)
    ended = completed(job)
    assert await here.save(ended)
    await asyncio.to_thread(own_redis.start)
    async with asyncio.timeout(15):
        assert await waiting == ended
    await until(lambda: here.unready() is None and there.unready() is None)
    assert await there.list_jobs(tenant="") == [ended]


async def test_a_redis_that_says_nothing_holds_nobody_up(
    redis_url: str, redis_server: RedisServer, s3_url: str
) -> None:
    number = int(redis_url.rpartition("/")[2])
    with TcpProxy(redis_server.port) as proxy:
        async with Sharing(redis_server.url(number, port=proxy.port), s3_url) as sharing:
            store = await sharing.open()
            await store.add(make_job("a"))
            proxy.drop()
            for name in "bcde":
                async with asyncio.timeout(AT_ONCE_S):
                    await store.add(make_job(name))
            async with asyncio.timeout(AT_ONCE_S):
                assert (await store.get("a")).id == "a"
            proxy.heal()


async def test_what_redis_could_not_be_told_it_is_told_later(
    redis_url: str, redis_server: RedisServer, s3_url: str
) -> None:
    number = int(redis_url.rpartition("/")[2])
    with TcpProxy(redis_server.port) as proxy:
        async with Sharing(redis_server.url(number, port=proxy.port), s3_url) as sharing:
            store = await sharing.open()
            job = make_job("a")
            await store.add(job)
            assert await store.list_jobs(tenant="") == [job]
            proxy.refuse()
            proxy.cut()
            assert await store.save(completed(job))
            with redis_server.client(number) as raw:
                key = "{conveyor}:results:job:a"
                assert raw.getrange(key, 0, 0) == "0", "it is still taken for open"
                proxy.heal()
                await until(lambda: raw.getrange(key, 0, 0) == "2", within_s=20)


async def test_an_old_state_in_redis_is_compared_with_the_record_that_counts(
    sharing: Sharing,
) -> None:
    """As after a failover that has lost the latest writes."""
    store = await sharing.open()
    ended = await end(store, "a")
    key = "{conveyor}:results:job:a"
    old = msgspec.json.encode(make_job("a").started(time.time()))
    sharing.raw.set(key, seal(key, old, rank=PROCESSING, looked_at=time.time() - 60))
    assert await store.get("a") == ended
    assert not await store.save(failed(make_job("a")))


async def test_the_answer_to_another_question_is_no_answer(sharing: Sharing) -> None:
    """As when a cancelled command leaves its answer to the next one: CVE-2023-28858."""
    store = await sharing.open()
    mine, others = await end(store, "mine"), await end(store, "others")
    await store.keep_cached("mine", CachedResult({"of": "mine"}, (), "r1"))
    await store.keep_cached("others", CachedResult({"of": "others"}, (), "r1"))
    prefix = "{conveyor}:results:"
    sharing.raw.copy(f"{prefix}job:others", f"{prefix}job:mine", replace=True)
    first, second = sharing.raw.keys(f"{prefix}cached:*")
    sharing.raw.set(first, sharing.raw.get(second) or b"")
    assert await store.get("mine") == mine
    assert await store.get("others") == others
    found = [await store.find_cached(key) for key in ("mine", "others")]
    assert found.count(None) == 1
    assert CachedResult({"of": "mine"}, (), "r1") in found or (
        CachedResult({"of": "others"}, (), "r1") in found
    )


@pytest.mark.parametrize("rubbish", [b"", b"2", b"2" + b"0" * 40, b"\xff" * 300])
async def test_rubbish_in_redis_is_a_miss(sharing: Sharing, rubbish: bytes) -> None:
    store = await sharing.open()
    ended = await end(store, "a")
    await store.add_batch(make_batch())
    await store.add(make_job("b", idempotency=Idempotency("key", "of b"), coalesced=True))
    for key in sharing.raw.keys("*"):
        if sharing.raw.type(key) == b"string":
            sharing.raw.set(key, rubbish)
    assert await store.get("a") == ended
    assert (await store.get_batch("batch-1")).id == "batch-1"
    assert await store.find_by_key("", "key") == ("of b", "b")
    assert rubbish not in [sharing.raw.get(f"{{conveyor}}:results:job:{name}") for name in "ab"]
