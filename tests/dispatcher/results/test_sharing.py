"""Several dispatchers over the same servers: each answers for every job."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from dispatcher.errors import NotFoundError
from dispatcher.jobs import CachedResult, JobState
from dispatcher.results.redis import RedisResultStore
from dispatcher.results.sealing import QUEUED, seal
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import end, hit, make_batch
from tests.dispatcher.results.sharing import Sharing
from tests.dispatcher.waiting import turns, until

NEVER_S = 3600.0


async def both(sharing: Sharing) -> tuple[RedisResultStore, RedisResultStore]:
    return await sharing.open(), await sharing.open()


async def test_what_one_has_accepted_any_other_answers_for(sharing: Sharing) -> None:
    here, there = await both(sharing)
    job = make_job(tenant="ann")
    await here.add(job)
    assert await there.get(job.id) == job
    started = job.started(time.time())
    assert await there.save(started)
    assert await here.get(job.id) == started
    ended = completed(job)
    assert await there.save(ended)
    assert await here.get(job.id) == ended
    assert await here.list_jobs(tenant="ann") == [ended]


async def test_batches_and_hits_are_known_to_all(sharing: Sharing) -> None:
    here, there = await both(sharing)
    await here.add(hit("hit"))
    await here.add_batch(make_batch())
    assert (await there.get("hit")).from_cache
    assert await there.get_batch("batch-1") == await here.get_batch("batch-1")


async def test_of_two_ends_the_first_one_counts_for_everybody(sharing: Sharing) -> None:
    here, there = await both(sharing)
    for number in range(20):
        job = make_job(f"job-{number}")
        await here.add(job)
        ends = (completed(job), failed(job))
        counts = await asyncio.gather(here.save(ends[0]), there.save(ends[1]))
        assert sorted(counts) == [False, True]
        for store in (here, there):
            assert await store.get(job.id) == ends[counts.index(True)]


async def test_an_end_whose_caller_was_stopped_is_whole_before_the_store_closes(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await both(sharing)
    job = make_job()
    await here.add(job)
    ended = completed(job)
    is_writing, put = asyncio.Event(), ObjectStore.put

    async def put_slowly(*what: Any, **how: Any) -> bool:
        is_writing.set()
        await asyncio.sleep(0.2)
        return await put(*what, **how)

    monkeypatch.setattr(ObjectStore, "put", put_slowly)
    saving = asyncio.create_task(here.save(ended))
    await is_writing.wait()
    saving.cancel()
    await here.close()
    assert await there.get(job.id) == ended
    assert [job_id async for job_id in there.open_ids(older_than_s=0)] == []


async def test_a_late_end_changes_nothing_also_when_redis_has_forgotten(sharing: Sharing) -> None:
    here, there = await both(sharing)
    job = make_job()
    await here.add(job)
    first = completed(job)
    assert await here.save(first)
    sharing.forget()
    assert not await there.save(failed(job))
    assert not await there.save(job.started(time.time()))
    assert await there.get(job.id) == await here.get(job.id) == first


async def test_whoever_waits_is_woken_by_another_dispatcher(sharing: Sharing) -> None:
    here = await sharing.open(look_every_s=NEVER_S)
    there = await sharing.open()
    job = make_job()
    await here.add(job)
    changing = asyncio.create_task(here.changed(job.id, since=JobState.QUEUED, timeout_s=60))
    waiting = asyncio.create_task(here.wait(job.id, timeout_s=60))
    await turns(3)
    await there.save(job.started(time.time()))
    async with asyncio.timeout(10):
        assert (await changing).state is JobState.PROCESSING
        assert not waiting.done()
        ended = completed(job)
        await there.save(ended)
        assert await waiting == ended


async def test_whoever_waits_looks_for_itself_when_messages_are_missed(sharing: Sharing) -> None:
    here, there = await sharing.open(look_every_s=0.05), await sharing.open()
    job = make_job()
    await here.add(job)
    waiting = asyncio.create_task(here.wait(job.id, timeout_s=60))
    await turns(3)
    there._feed._sender = here._feed._sender  # so that what it says seems to be no news
    ended = completed(job)
    await there.save(ended)
    async with asyncio.timeout(10):
        assert await waiting == ended


async def test_all_hear_of_each_end(sharing: Sharing) -> None:
    heard: tuple[list[str], list[str]] = [], []
    here, there = [await sharing.open(ended=ended) for ended in heard]
    await end(here, "a")
    await end(there, "b")
    await until(lambda: [sorted(set(ids)) for ids in heard] == [["a", "b"]] * 2)


async def test_a_good_result_of_one_is_known_to_all(sharing: Sharing) -> None:
    here, there = await both(sharing)
    cached = CachedResult({"predictions": ["koala"]}, (), "r1")
    await here.keep_cached("key", cached)
    assert await there.find_cached("key") == cached
    assert await there.find_cached("other") is await there.find_cached(None) is None
    assert [found async for found in there.cached()] == [("key", cached)]


async def test_of_good_results_those_used_longest_ago_go_first(sharing: Sharing) -> None:
    store = await sharing.open(cache_size=3)
    for number in range(3):
        await store.keep_cached(str(number), CachedResult({"number": number}, (), "r1"))
    assert await store.find_cached("0") is not None
    await store.keep_cached("3", CachedResult({"number": 3}, (), "r1"))
    assert [key async for key, _ in store.cached()] == ["2", "0", "3"]
    assert await store.find_cached("1") is None


async def test_a_cache_that_is_off_keeps_nothing(sharing: Sharing) -> None:
    store = await sharing.open(cache_size=0)
    await store.keep_cached("key", CachedResult({}, (), "r1"))
    assert await store.find_cached("key") is None


async def test_what_clients_ask_for_is_never_taken_for_a_path(sharing: Sharing) -> None:
    store = await sharing.open()
    await store.add_batch(make_batch())
    for job_id in ("../batches/batch-1", "", ".", "..", "a/b", "a" * 101, "\0", "ä"):
        for call in (store.get(job_id), store.wait(job_id, timeout_s=1), store.get_batch(job_id)):
            with pytest.raises(NotFoundError):
                await call


async def test_jobs_that_are_open_for_long_are_found(sharing: Sharing) -> None:
    here, there = await both(sharing)
    await here.add(make_job("open"))
    await here.add(make_job("working"))
    await here.save(make_job("working").started(time.time()))
    await end(here, "ended")
    assert {i async for i in there.open_ids(older_than_s=-60)} >= {"open", "working"}
    assert [i async for i in there.open_ids(older_than_s=60)] == []
    assert await there.open_job("open") == await here.get("open")


async def test_the_record_that_an_end_has_left_open_is_cleared_up(sharing: Sharing) -> None:
    store, objects = await sharing.open(), await sharing.objects()
    await store.add(make_job("a"))
    left = await objects.get("open/a")
    await store.save(completed(make_job("a")))
    await until(lambda: not store._errands._single)
    assert await objects.find("open/a") is None
    await objects.put("open/a", left)  # as if it had died in between
    assert await store.open_job("a") is None
    assert await objects.find("open/a") is None
    assert (await store.get("a")).state is JobState.COMPLETED


async def test_every_record_is_listed_for_an_operator(sharing: Sharing) -> None:
    store = await sharing.open()
    await store.add(make_job("open"))
    await end(store, "ended")
    await store.add_batch(make_batch())
    assert [record.id async for record in store.kept()] == ["open", "ended", "batch-1"]


async def test_a_job_that_is_discarded_while_it_is_read_does_not_come_back(
    sharing: Sharing,
) -> None:
    store = await sharing.open()
    job = make_job("a")
    await store.add(job)
    await store.discard("a")
    await store._ledger.remember(job)  # by one that has read it before
    with pytest.raises(NotFoundError):
        await store.get("a")
    assert await store.list_jobs(tenant="") == []


async def test_what_redis_alone_takes_for_open_is_looked_up(sharing: Sharing) -> None:
    store = await sharing.open()
    job = make_job("a")
    key = "{conveyor}:results:job:a"
    await store.list_jobs(tenant="")
    await store._records.keep(job)  # by one that died while it was refused
    sealed = seal(key, msgspec.json.encode(job), rank=QUEUED, looked_at=time.time() - 61)
    sharing.raw.set(key, sealed)
    assert await store.list_jobs(tenant="") == []
    with pytest.raises(NotFoundError):
        await store.get("a")
