"""What every result store promises; each backend runs through all of it."""

import asyncio
import time

import pytest

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import JobState
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import (
    RETENTION_COUNT,
    RETENTION_S,
    end,
    expect_count,
    hit,
    let_drop,
)
from tests.dispatcher.waiting import now_s, turns


async def test_a_job_is_read_as_it_was_added(results: ResultStore) -> None:
    job = make_job(overrides={"0": {"top_k": 3}}, result_key="k" * 64, expected_revision="r1")
    await results.add(job)
    assert await results.get(job.id) == job


async def test_a_job_is_read_in_its_latest_state(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    assert await results.save(job.started(time.time()))
    assert (await results.get(job.id)).state is JobState.PROCESSING
    ended = completed(job)
    assert await results.save(ended)
    assert await results.get(job.id) == ended


async def test_a_failed_job_keeps_its_reason(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    await results.save(failed(job, "image_truncated"))
    assert (await results.get(job.id)).error == failed(job, "image_truncated").error


async def test_a_job_that_was_answered_at_once_can_be_added_as_ended(results: ResultStore) -> None:
    job = hit("job-1")
    await results.add(job)
    assert await results.get(job.id) == job


async def test_a_job_has_one_terminal_state_once(results: ResultStore) -> None:
    ended = await end(results, "a")
    assert not await results.save(failed(make_job("a")))
    assert not await results.save(make_job("a").started(time.time()))
    assert await results.get("a") == ended


async def test_a_job_that_has_ended_cannot_be_added_again(results: ResultStore) -> None:
    ended = await end(results, "a")
    await results.add(make_job("a"))
    assert await results.get("a") == ended
    await results.add(failed(make_job("a")))
    assert await results.get("a") == ended
    await expect_count(results, 1)


async def test_answers_from_the_cache_push_out_no_other_result(results: ResultStore) -> None:
    computed = [await end(results, f"computed-{number}") for number in range(RETENTION_COUNT)]
    for number in range(5 * RETENTION_COUNT):
        await results.add(hit(f"hit-{number}"))
    await let_drop(results)
    for job in computed:
        assert await results.get(job.id) == job
    assert (await results.get(f"hit-{5 * RETENTION_COUNT - 1}")).from_cache
    with pytest.raises(GoneError):
        await results.get("hit-0")


async def test_a_job_that_was_never_added_cannot_be_saved(results: ResultStore) -> None:
    assert not await results.save(completed(make_job("stranger")))
    with pytest.raises(NotFoundError):
        await results.get("stranger")


async def test_an_unknown_job_is_not_found(results: ResultStore) -> None:
    with pytest.raises(NotFoundError):
        await results.get("never seen")
    with pytest.raises(NotFoundError):
        await results.wait("never seen", timeout_s=1)


async def test_a_job_that_was_never_accepted_leaves_no_trace(results: ResultStore) -> None:
    await results.add(make_job("a"))
    await results.discard("a")
    await expect_count(results, 0)
    with pytest.raises(NotFoundError):
        await results.get("a")


async def test_discarding_an_unknown_job_is_no_error(results: ResultStore) -> None:
    await results.discard("never seen")


async def test_a_job_that_has_ended_cannot_be_discarded(results: ResultStore) -> None:
    ended = await end(results, "a")
    await results.discard("a")
    assert await results.get("a") == ended


async def test_whoever_waits_is_woken_by_the_save_that_ends_the_job(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    waiting = [asyncio.create_task(results.wait(job.id, timeout_s=30)) for _ in range(3)]
    await turns(3)
    await results.save(job.started(time.time()))
    await turns(3)
    assert not any(waiter.done() for waiter in waiting)
    ended = completed(job)
    await results.save(ended)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [ended] * 3


async def test_waiting_for_an_ended_job_takes_no_time(results: ResultStore) -> None:
    ended = await end(results, "a")
    async with asyncio.timeout(5):
        assert await results.wait("a", timeout_s=30) == ended


async def test_waiting_ends_with_the_timeout_and_gives_the_job_as_it_is(
    results: ResultStore,
) -> None:
    job = make_job()
    await results.add(job)
    assert await results.wait(job.id, timeout_s=0) == job
    before = now_s()
    assert await results.wait(job.id, timeout_s=0.05) == job
    assert 0.04 < now_s() - before < 5


async def test_one_who_stops_waiting_disturbs_no_other(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    leaves, stays = [asyncio.create_task(results.wait(job.id, timeout_s=30)) for _ in range(2)]
    await turns(3)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    ended = completed(job)
    await results.save(ended)
    async with asyncio.timeout(5):
        assert await stays == ended


async def test_closing_wakes_whoever_waits(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    waiting = asyncio.create_task(results.wait(job.id, timeout_s=30))
    await turns(3)
    await results.close()
    async with asyncio.timeout(5):
        assert await waiting == job


async def test_whoever_waits_has_the_job_as_it_is_once_nobody_shall_wait(
    results: ResultStore,
) -> None:
    await results.add(make_job())
    waiting = asyncio.create_task(results.wait("job-1", timeout_s=60))
    await turns(3)
    results.stop_waiting()
    async with asyncio.timeout(1):
        assert (await waiting).state is JobState.QUEUED
        assert (await results.wait("job-1", timeout_s=60)).state is JobState.QUEUED


async def test_ended_jobs_go_oldest_first_beyond_the_count(results: ResultStore) -> None:
    for number in range(RETENTION_COUNT + 2):
        await end(results, f"job-{number}")
    await let_drop(results)
    await expect_count(results, RETENTION_COUNT)
    for number in range(2):
        with pytest.raises(GoneError):
            await results.get(f"job-{number}")
    for number in range(2, RETENTION_COUNT + 2):
        assert (await results.get(f"job-{number}")).state is JobState.COMPLETED


async def test_ended_jobs_go_when_they_are_too_old(results: ResultStore) -> None:
    await end(results, "young", at=time.time() - RETENTION_S + 10)
    await end(results, "old", at=time.time() - RETENTION_S - 1)
    with pytest.raises(GoneError):
        await results.get("old")
    with pytest.raises(GoneError):
        await results.wait("old", timeout_s=1)
    assert (await results.get("young")).state is JobState.COMPLETED


async def test_jobs_that_have_not_ended_are_never_dropped(results: ResultStore) -> None:
    long_ago = time.time() - 100 * RETENTION_S
    for number in range(2 * RETENTION_COUNT):
        job = make_job(f"open-{number}", queued_at=long_ago)
        await results.add(job)
        if number % 2:
            await results.save(job.started(long_ago))
    for number in range(2 * RETENTION_COUNT):
        await end(results, f"ended-{number}")
    await let_drop(results)
    states = [(await results.get(f"open-{n}")).state for n in range(2 * RETENTION_COUNT)]
    assert states == [JobState.QUEUED, JobState.PROCESSING] * RETENTION_COUNT


async def test_a_dropped_job_cannot_come_back(results: ResultStore) -> None:
    for number in range(RETENTION_COUNT + 1):
        await end(results, f"job-{number}")
    await let_drop(results)
    assert not await results.save(completed(make_job("job-0")))
    with pytest.raises(GoneError):
        await results.get("job-0")


async def test_the_count_is_of_all_jobs_kept(results: ResultStore) -> None:
    await expect_count(results, 0)
    await results.add(make_job("open"))
    await end(results, "ended")
    await expect_count(results, 2)
