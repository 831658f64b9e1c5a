"""Whether a job has ended costs one look into the object store where Redis does not tell."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from dispatcher.errors import StorageUnavailableError
from dispatcher.results import ends
from dispatcher.results.archive import Archive
from dispatcher.results.redis import RedisResultStore
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.results.sharing import Sharing
from tests.dispatcher.waiting import until
from tests.servers.proxy import TcpProxy

OPEN = make_job("a")
ENDED = completed(OPEN)
HOOKED = make_job("hooked", webhook_url="http://127.0.0.1:1/hook")


@pytest.fixture
async def store(exposed: Sharing) -> AsyncIterator[RedisResultStore]:
    """A store with complete lists and an open job."""
    store = await exposed.open()
    await store.list_jobs(tenant="")
    await store.add(OPEN)
    yield store


async def test_what_redis_knows_of_late_is_not_looked_for(
    store: RedisResultStore, reads: Counter[str]
) -> None:
    assert await store._ledger.ends.look("a") == OPEN
    assert await store._ledger.ends.may_come(OPEN)
    assert await store.save(ENDED)
    assert await store._ledger.ends.look("a") == ENDED
    assert not await store._ledger.ends.may_come(OPEN)
    assert reads == {}


async def test_what_redis_has_lost_costs_one_read(
    exposed: Sharing, store: RedisResultStore, reads: Counter[str]
) -> None:
    exposed.forget()
    assert await store._ledger.ends.look("a") is None
    assert reads == {"ended/a": 1}
    reads.clear()
    assert await store._ledger.ends.may_come(OPEN)
    assert reads == {"open/a": 1}


async def test_an_end_that_redis_has_lost_is_found_and_remembered(
    exposed: Sharing, store: RedisResultStore, reads: Counter[str]
) -> None:
    await store.save(ENDED)
    exposed.forget()
    assert await store._ledger.ends.look("a") == ENDED
    assert await store._ledger.ends.look("a") == ENDED
    assert reads == {"ended/a": 1}
    assert not await store._ledger.ends.may_come(OPEN)


async def test_of_an_end_that_redis_has_missed_one_who_looks_hears_later(
    exposed: Sharing, store: RedisResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Archive(await exposed.objects()).end(ENDED)  # by one that died then
    assert await store._ledger.ends.look("a") == OPEN
    monkeypatch.setattr(ends, "FRESH_S", 0.0)
    assert await store._ledger.ends.look("a") == ENDED


async def test_an_end_that_comes_late_leaves_no_webhook_to_be_delivered_again(
    exposed: Sharing, store: RedisResultStore
) -> None:
    archive = Archive(await exposed.objects())
    ended = completed(HOOKED)
    await archive.open(HOOKED)
    await archive.end(ended)  # by one that delivered it, and died before it removed the other
    exposed.forget()
    assert not await store.save(ended)
    assert not await archive.is_undelivered(HOOKED.id)


async def test_a_job_that_is_not_there_has_no_end(store: RedisResultStore) -> None:
    assert await store._ledger.ends.look("b") is None
    assert not await store._ledger.ends.may_come(make_job("b"))
    assert not await store.save(completed(make_job("b")))


async def test_a_job_that_was_discarded_has_no_end(
    exposed: Sharing, store: RedisResultStore
) -> None:
    await store.discard("a")
    exposed.forget()
    assert not await store.save(ENDED)
    assert await Archive(await exposed.objects()).find_ended("a") is None


async def test_while_the_object_store_is_away_what_redis_knows_counts(
    exposed: Sharing, store: RedisResultStore, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "FRESH_S", 0.0)
    proxy.refuse()
    for _ in range(2):  # before that is noticed, and after
        assert await store._ledger.ends.look("a") == OPEN
        assert await store._ledger.ends.may_come(OPEN)
        await until(lambda: store.unready() is not None)
    exposed.forget()
    with pytest.raises(StorageUnavailableError):
        await store._ledger.ends.look("a")
    with pytest.raises(StorageUnavailableError):
        await store._ledger.ends.may_come(OPEN)
