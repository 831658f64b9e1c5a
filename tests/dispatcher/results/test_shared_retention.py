"""What several dispatchers no longer keep is dropped by one of them, for all."""

import asyncio
import time

import pytest

from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import Idempotency, JobState
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import (
    KEY_RETENTION_S,
    RETENTION_COUNT,
    RETENTION_S,
    end,
    hit,
    make_batch,
    too_long_ago,
)
from tests.dispatcher.results.sharing import Sharing


class Duties:
    """Who does what, as the test says."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)

    async def __call__(self, duty: str, *, for_s: float) -> bool:
        return duty not in self.refused


async def paths(sharing: Sharing, *folders: str) -> list[str]:
    objects = await sharing.objects()
    return sorted([info.path for folder in folders async for info in objects.list(folder)])


async def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + seconds)


async def test_what_one_drops_is_gone_for_all_and_everywhere(sharing: Sharing) -> None:
    here, there = await sharing.open(), await sharing.open()
    for number in range(RETENTION_COUNT + 1):
        await end(here, f"job-{number}")
        await here.add(hit(f"hit-{number}"))
    await there.drop_old()
    for store in (here, there):
        for name in ("job-0", "hit-0"):
            with pytest.raises(GoneError):
                await store.get(name)
        assert (await store.get(f"job-{RETENTION_COUNT}")).state is JobState.COMPLETED
        assert len(await store.list_jobs(tenant="")) == 2 * RETENTION_COUNT
    assert len(await paths(sharing, "ended")) == RETENTION_COUNT
    assert len(await paths(sharing, "hits")) == RETENTION_COUNT


async def test_one_that_does_not_lead_drops_nothing(sharing: Sharing) -> None:
    store = await sharing.open(try_lead=Duties("retention"))
    for number in range(RETENTION_COUNT + 1):
        await end(store, f"job-{number}")
    await store.drop_old()
    assert (await store.get("job-0")).state is JobState.COMPLETED


async def fill(store: RedisResultStore) -> None:
    """Have one of everything."""
    await end(store, "ended")
    await store.add(hit("hit"))
    await store.add_batch(make_batch())
    await store.add(make_job("open", idempotency=Idempotency("key", "f")))
    told = make_job("told", webhook_url="https://hooks.example.com/")
    await store.add(told)
    await store.save(completed(told))


async def test_what_redis_has_forgotten_is_dropped_by_its_age(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    duties = Duties("refill")
    store = await sharing.open(try_lead=duties)
    await fill(store)
    sharing.forget()
    await store.drop_old()
    assert len(await paths(sharing, "ended", "hits", "batches", "keys")) == 5
    await later(monkeypatch, RETENTION_S + 61)
    await store.drop_old()
    assert await paths(sharing, "ended", "hits", "batches", "open", "deliveries") == [
        "deliveries/told",
        "ended/told",
        "open/open",
    ]
    assert len(await paths(sharing, "keys")) == 1
    await later(monkeypatch, KEY_RETENTION_S + 61)
    await store.drop_old()
    assert await paths(sharing, "keys") == []
    assert (await store.get("told")).id == "told"
    with pytest.raises(GoneError):
        await store.get("ended")


async def test_a_job_that_was_dropped_never_comes_to_life_again(sharing: Sharing) -> None:
    store, objects = await sharing.open(), await sharing.objects()
    job = make_job("a")
    await store.add(job)
    still_open = await objects.get("open/a")
    await store.save(completed(job))
    await until_closed(sharing)
    await objects.put("open/a", still_open)  # that it was removed had failed

    assert await store.drop(["a"]) == 1
    sharing.forget()

    assert await paths(sharing, "open", "ended") == []
    with pytest.raises(NotFoundError):
        await store.get("a")


async def until_closed(sharing: Sharing) -> None:
    """Wait until nothing is recorded as open."""
    while await paths(sharing, "open"):  # noqa: ASYNC110 - a condition has no event
        await asyncio.sleep(0.01)


async def test_the_archive_is_looked_through_only_now_and_then(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await sharing.open(try_lead=Duties("refill", "sweep"))
    await fill(store)
    sharing.forget()
    await later(monkeypatch, RETENTION_S + 61)
    await store.drop_old()
    assert "ended/ended" in await paths(sharing, "ended")


async def test_what_is_too_old_is_not_put_into_redis_again(sharing: Sharing) -> None:
    store = await sharing.open()
    await end(store, "old", at=too_long_ago())
    await end(store, "young")
    sharing.forget()
    assert [job.id for job in await store.list_jobs(tenant="")] == ["young"]
    assert sharing.raw.exists("{conveyor}:results:job:old") == 0


async def test_one_that_has_gone_leaves_the_list_of_its_tenant(sharing: Sharing) -> None:
    store = await sharing.open()
    for name in ("a", "b"):
        await store.add(failed(make_job(name, tenant="ann")))
    objects = await sharing.objects()
    await objects.remove("ended/a")
    sharing.raw.delete("{conveyor}:results:job:a")
    for tenant in ("ann", None):
        assert [job.id for job in await store.list_jobs(tenant=tenant)] == ["b"]
    with pytest.raises(NotFoundError):
        await store.get("a")


async def test_a_job_whose_webhook_was_delivered_is_kept_like_others(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await sharing.open()
    await fill(store)
    await store.end_delivery("told")
    await later(monkeypatch, RETENTION_S + 1)
    await store.drop_old()
    with pytest.raises(GoneError):
        await store.get("told")


async def test_what_is_dropped_while_it_is_read_does_not_come_back(sharing: Sharing) -> None:
    store = await sharing.open()
    ended = await end(store, "a")
    assert await store.drop(["a"]) == 1
    await store._ledger.remember(ended)  # by one that has read it before
    with pytest.raises(GoneError):
        await store.get("a")
