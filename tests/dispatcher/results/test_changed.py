"""Waiting for a change of state; each backend runs through all of it."""

import asyncio
import time

import pytest

from dispatcher.errors import NotFoundError
from dispatcher.jobs import JobState
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.waiting import now_s, turns


async def test_whoever_waits_for_a_change_sees_each(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    changing = asyncio.create_task(results.changed(job.id, since=JobState.QUEUED, timeout_s=30))
    await turns(3)
    assert not changing.done()
    started = job.started(time.time())
    await results.save(started)
    async with asyncio.timeout(5):
        assert await changing == started
    changing = asyncio.create_task(results.changed(job.id, since=JobState.PROCESSING, timeout_s=30))
    await turns(3)
    ended = completed(job)
    await results.save(ended)
    async with asyncio.timeout(5):
        assert await changing == ended


async def test_a_change_that_has_happened_is_told_at_once(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    ended = completed(job)
    await results.save(ended)
    async with asyncio.timeout(5):
        assert await results.changed(job.id, since=JobState.QUEUED, timeout_s=30) == ended


async def test_a_save_that_changes_no_state_wakes_nobody(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    changing = asyncio.create_task(results.changed(job.id, since=JobState.QUEUED, timeout_s=60))
    await turns(3)
    await results.save(job)
    await turns(3)
    assert not changing.done()
    results.stop_waiting()
    async with asyncio.timeout(5):
        assert await changing == job


async def test_waiting_ends_with_the_timeout(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    assert await results.changed(job.id, since=JobState.QUEUED, timeout_s=0) == job
    before = now_s()
    assert await results.changed(job.id, since=JobState.QUEUED, timeout_s=0.05) == job
    assert 0.04 < now_s() - before < 5


async def test_an_unknown_job_never_changes(results: ResultStore) -> None:
    with pytest.raises(NotFoundError):
        await results.changed("never seen", since=JobState.QUEUED, timeout_s=1)


async def test_closing_wakes_whoever_waits_for_a_change(results: ResultStore) -> None:
    job = make_job()
    await results.add(job)
    changing = asyncio.create_task(results.changed(job.id, since=JobState.QUEUED, timeout_s=30))
    await turns(3)
    await results.close()
    async with asyncio.timeout(5):
        assert await changing == job
