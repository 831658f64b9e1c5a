"""What was accepted and what came of it survives the process, whether it ends or is killed."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_job

from dispatcher.errors import NotFoundError
from dispatcher.jobs import (
    Batch,
    CachedResult,
    Delivery,
    Idempotency,
    Job,
    JobState,
    OperationSpec,
    Output,
    Priority,
)
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.runs import ChunkRun
from tests.dispatcher.records import RUN, completed, failed, make_job
from tests.dispatcher.results.ending import end, hit, make_batch
from tests.dispatcher.results.keeping import URL, expect_both_ways, results_in, writer_of
from tests.dispatcher.storage.crashing import killed
from tests.dispatcher.waiting import turns

PICTURE = Output("a" * 64, "image/png", 4, 3, {"sharpness": 0.5}, piece=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def everything(job_id: str = "everything") -> Job:
    """A job that says something in every field."""
    return make_job(
        job_id,
        filename='k "\x00" 日本.png',
        overrides={"0": {"top_k": 3}},
        operations=(OperationSpec("blur", {"kernel": 5, "kind": None}),),
        media_type="image/png",
        width=7,
        height=5,
        result_key="key",
        expected_revision="r1",
        attempts=2,
        tenant="acme",
        priority=Priority.BULK,
        deadline_s=12.5,
        webhook_url=URL,
        idempotency=Idempotency("key-1", "f" * 64),
        work_key="work",
        size_bytes=123,
        requeued_from="older",
    )


# Jobs


async def test_a_record_is_read_as_it_was_kept_field_by_field(folder: Path) -> None:
    queued = everything()
    run = replace(RUN, chunks=(ChunkRun(0, 16, 0.5, "http://127.0.0.1:5000", 1),))
    ended = completed(queued, at=time.time(), outputs=(PICTURE,), stages=(run, RUN))

    async def act(results: SqliteResultStore) -> None:
        await results.add(replace_job(queued, id="open"))
        await results.add(queued)
        await results.save(ended)

    async def expected(results: SqliteResultStore) -> None:
        assert await results.get("open") == replace_job(queued, id="open")
        assert await results.get(ended.id) == ended
        assert [record async for record in results.kept()] == [
            replace_job(queued, id="open"),
            ended,
        ]

    await expect_both_ways(folder, act, expected)


async def test_every_state_survives_but_what_was_in_work_is_queued_again(folder: Path) -> None:
    async def act(results: SqliteResultStore) -> None:
        for name in ("queued", "processing", "completed", "failed", "cancelled", "expired"):
            await results.add(make_job(name))
        await results.save(make_job("processing").started(time.time()))
        await results.save(completed(make_job("completed")))
        await results.save(failed(make_job("failed")))
        await results.save(make_job("cancelled").cancelled(time.time()))
        await results.save(make_job("expired").expired(time.time()))
        await results.add(hit("hit"))

    async def expected(results: SqliteResultStore) -> None:
        assert (await results.get("processing")).state is JobState.QUEUED
        for name in ("queued", "completed", "failed", "cancelled", "expired"):
            assert (await results.get(name)).state == name
        assert (await results.get("hit")).from_cache
        assert results.count() == 7

    await expect_both_ways(folder, act, expected)


async def test_what_has_ended_has_ended_for_good(folder: Path) -> None:
    async def act(results: SqliteResultStore) -> None:
        await end(results, "a")

    async def expected(results: SqliteResultStore) -> None:
        assert not await results.save(failed(make_job("a")))
        await results.add(make_job("a"))
        assert (await results.get("a")).state is JobState.COMPLETED

    await expect_both_ways(folder, act, expected)


async def test_a_job_of_an_earlier_process_ends_in_this_one(folder: Path) -> None:
    async with results_in(folder) as results:
        await results.add(make_job("a"))
    async with results_in(folder) as again:
        waiting = asyncio.create_task(again.wait("a", timeout_s=10))
        await turns(2)
        assert await again.save(completed(make_job("a")))
        assert (await waiting).state is JobState.COMPLETED
        left = killed(folder)
    async with results_in(left) as later:
        assert (await later.get("a")).state is JobState.COMPLETED


async def test_an_end_is_seen_once_it_is_safe_and_no_sooner(folder: Path) -> None:
    async with results_in(folder) as results:
        await results.add(make_job("a"))
        await writer_of(results).catch_up()
        saving = asyncio.create_task(results.save(completed(make_job("a"))))
        waiting = asyncio.create_task(results.wait("a", timeout_s=10))
        await turns(1)
        assert (await results.get("a")).state is JobState.QUEUED
        assert not await results.save(failed(make_job("a"))), "its end is on its way"
        await waiting
        left = killed(folder)
        assert await saving
    async with results_in(left) as again:
        assert (await again.get("a")).state is JobState.COMPLETED


@pytest.mark.parametrize("kind", ["hit", "coalesced", "failed at once"])
async def test_a_job_without_a_place_in_the_queue_is_safe_when_add_returns(
    folder: Path, kind: str
) -> None:
    job = {
        "hit": hit("a"),
        "coalesced": make_job("a", coalesced=True),
        "failed at once": failed(make_job("a")),
    }[kind]
    async with results_in(folder) as results:
        await results.add(job)
        left = killed(folder)
    async with results_in(left) as again:
        assert await again.get("a") == job


async def test_a_job_that_was_never_accepted_is_nowhere(folder: Path) -> None:
    async def act(results: SqliteResultStore) -> None:
        await results.add(everything("a"))
        await results.discard("a")

    async def expected(results: SqliteResultStore) -> None:
        with pytest.raises(NotFoundError):
            await results.get("a")
        assert await results.find_by_key("acme", "key-1") is None
        assert [record async for record in results.kept()] == []

    await expect_both_ways(folder, act, expected)


async def test_jobs_are_listed_in_the_order_of_their_acceptance(folder: Path) -> None:
    async def act(results: SqliteResultStore) -> None:
        for name in "abc":
            await results.add(make_job(name))
        await results.save(completed(make_job("a")))

    async def expected(results: SqliteResultStore) -> None:
        await results.add(make_job("d"))
        listed = await results.list_jobs(tenant="")
        assert [job.id for job in listed] == ["d", "c", "b", "a"]
        older = await results.list_jobs(tenant="", before="c", limit=1)
        assert [job.id for job in older] == ["b"]

    await expect_both_ways(folder, act, expected)


async def test_what_is_no_longer_in_memory_is_read_from_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.results.sqlite._RECENT", 2)
    async with results_in(folder) as results:
        ended = [await end(results, f"job-{number}") for number in range(5)]
        assert [await results.get(job.id) for job in ended] == ended


# Cached results, keys, webhooks, batches


async def test_cached_results_survive_the_latest_of_each_key(folder: Path) -> None:
    old, new = CachedResult({"n": 1}, (), "r1"), CachedResult(None, (PICTURE,), "r2")

    async def act(results: SqliteResultStore) -> None:
        await results.keep_cached("a", old)
        await results.keep_cached("b", old)
        await results.keep_cached("c", old)
        await results.keep_cached("a", new)
        await results.drop_cached("b")
        await results.drop_cached("never kept")

    async def expected(results: SqliteResultStore) -> None:
        assert [entry async for entry in results.cached()] == [("c", old), ("a", new)]
        await results.drop_cached("c")
        await results.keep_cached("d", old)
        assert [key async for key, _ in results.cached()] == ["a", "d"]

    await expect_both_ways(folder, act, expected)


async def test_an_idempotency_key_survives_with_its_job(folder: Path) -> None:
    async def act(results: SqliteResultStore) -> None:
        await results.add(everything("a"))

    async def expected(results: SqliteResultStore) -> None:
        assert await results.find_by_key("acme", "key-1") == ("f" * 64, "a")
        assert await results.find_by_key("", "key-1") is None

    await expect_both_ways(folder, act, expected)


async def test_webhooks_that_are_due_survive_with_the_end_of_their_job(folder: Path) -> None:
    async def act(results: SqliteResultStore) -> None:
        for name in ("fresh", "tried", "delivered", "open"):
            await results.add(make_job(name, webhook_url=URL))
        for name in ("fresh", "tried", "delivered"):
            await results.save(completed(make_job(name, webhook_url=URL), at=1000.5 + time.time()))
        await results.put_delivery(Delivery("tried", due_at=1.5, tries=2))
        await results.end_delivery("delivered")

    async def expected(results: SqliteResultStore) -> None:
        tried, fresh = await results.deliveries()
        assert tried == Delivery("tried", due_at=1.5, tries=2)
        assert fresh == Delivery("fresh", due_at=(await results.get("fresh")).completed_at or 0.0)

    await expect_both_ways(folder, act, expected)


async def test_batches_survive(folder: Path) -> None:
    batches = [make_batch("one"), replace(make_batch("two"), tenant="acme")]

    async def act(results: SqliteResultStore) -> None:
        for batch in batches:
            await results.add_batch(batch)

    async def expected(results: SqliteResultStore) -> None:
        assert [record async for record in results.kept()] == batches
        assert await results.get_batch("two") == batches[1]

    await expect_both_ways(folder, act, expected)


@pytest.mark.parametrize("after", range(8))
async def test_a_batch_whose_client_left_is_nowhere_or_was_accepted(
    folder: Path, after: int
) -> None:
    """Else it would later let go of files that others hold."""
    async with results_in(folder) as results:
        adding = asyncio.create_task(results.add_batch(make_batch("a")))
        await turns(after)
        adding.cancel()
        (outcome,) = await asyncio.gather(adding, return_exceptions=True)
        await writer_of(results).catch_up()
        kept = [record async for record in results.kept() if isinstance(record, Batch)]
        assert bool(kept) is (outcome is None)
