"""Lists of several dispatchers, over real servers: Redis is asked, the object store hardly."""

import time
from collections.abc import Collection

import pytest

from dispatcher.jobs import Job, JobState
from dispatcher.results.ledger import IsInHand
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.ending import end
from tests.dispatcher.results.sharing import Sharing

LONG_S = 100.0
"""After so long what Redis says of a job that has not ended is not relied upon."""


class Asked:
    """Which jobs the object store was asked for."""

    def __init__(self, store: RedisResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids: list[str] = []
        find = store._archive.find

        async def noted(job_id: str) -> Job | None:
            self.ids.append(job_id)
            return await find(job_id)

        monkeypatch.setattr(store._archive, "find", noted)


async def nobody(job_ids: Collection[str]) -> set[str]:
    return set()


async def opened(sharing: Sharing, *, in_hand: IsInHand = nobody) -> RedisResultStore:
    """A store whose lists are complete."""
    store = await sharing.open(in_hand=in_hand, retention_s=100 * LONG_S)
    assert await store.list_jobs(tenant="") == []
    return store


def let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float = LONG_S) -> None:
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + seconds)


async def test_jobs_that_nobody_wants_to_see_are_not_compared(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(sharing)
    for number in range(5):
        await store.add(make_job(f"waits-{number}"))
    ended = await end(store, "ended")
    asked = Asked(store, monkeypatch)
    let_time_pass(monkeypatch)

    assert await store.list_jobs(tenant="", states={ended.state}) == [ended]
    assert asked.ids == []


async def test_jobs_that_are_known_to_wait_are_not_compared(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [make_job(f"waits-{number}") for number in range(5)]
    questions: list[set[str]] = []

    async def in_hand(job_ids: Collection[str]) -> set[str]:
        questions.append(set(job_ids))
        return {job.id for job in jobs[1:]}

    store = await opened(sharing, in_hand=in_hand)
    for job in jobs:
        await store.add(job)
    asked = Asked(store, monkeypatch)
    let_time_pass(monkeypatch)

    assert await store.list_jobs(tenant="", limit=10) == jobs[::-1]
    assert questions == [{job.id for job in jobs}], "all in one question"
    assert asked.ids == [jobs[0].id]


async def test_only_some_dozens_are_compared_at_a_time(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(sharing)
    jobs = [make_job(f"waits-{number:03}") for number in range(60)]
    for job in jobs:
        await store.add(job)
    asked = Asked(store, monkeypatch)
    let_time_pass(monkeypatch)

    assert await store.list_jobs(tenant="", limit=100) == jobs[::-1], "the others, as Redis has it"
    assert len(asked.ids) == 50
    assert len(await store.list_jobs(tenant="", limit=100)) == 60
    assert sorted(asked.ids) == [job.id for job in jobs], "the rest, as the first are known now"


async def test_a_job_that_has_ended_unheard_is_shown_as_it_ended(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(sharing)
    job = make_job("a")
    await store.add(job)
    ended = completed(job)
    await store._archive.end(ended)
    let_time_pass(monkeypatch, 20.0)
    assert await store.list_jobs(tenant="") == [job], "it is not compared yet"
    let_time_pass(monkeypatch)

    assert await store.list_jobs(tenant="", states={JobState.QUEUED}) == []
    assert await store.list_jobs(tenant="") == [ended]


async def test_what_a_clock_that_is_ahead_has_written_is_compared_too(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(sharing)
    job = make_job("a")
    await store.add(job)
    asked = Asked(store, monkeypatch)
    let_time_pass(monkeypatch, -3600.0)

    assert await store.get("a") == job
    assert asked.ids == ["a"]
