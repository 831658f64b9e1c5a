"""What an object store does when S3 refuses, is silent, or loses its answers."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from dispatcher.errors import StorageUnavailableError
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher.servers.connecting import given_up, opened, reached
from tests.servers.proxy import TcpProxy
from tests.servers.s3 import S3Server
from tests.servers.s3_faults import Fault, S3Faults

DATA = b"x" * 1000


@pytest.fixture(autouse=True)
def _quickly(_soon_again: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.servers.objects._PAUSE_S", 0.01)


@pytest.fixture
def faults(s3_server: S3Server, s3_url: str) -> Iterator[S3Faults]:
    with S3Faults(s3_server.port) as faults:
        yield faults


@pytest.fixture
def url(s3_server: S3Server, faults: S3Faults, s3_url: str) -> str:
    """A bucket of this test's own, behind what makes it fail."""
    return s3_url.replace(str(s3_server.port), str(faults.port))


@pytest.fixture
async def store(url: str) -> AsyncIterator[ObjectStore]:
    async with opened(url) as store:
        yield store


def puts(faults: S3Faults) -> int:
    return sum(request.method == "PUT" for request in faults.requests)


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.INTERNAL])
async def test_a_refusal_is_tried_again(store: ObjectStore, faults: S3Faults, fault: Fault) -> None:
    faults.fail(fault, methods=["PUT"], times=2)
    assert await store.put("open/a", DATA)
    assert puts(faults) == 3
    assert await store.get("open/a") == DATA


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.SLOW_DOWN, "the object store asks for fewer requests"),
        (Fault.INTERNAL, "the object store has failed inside"),
        (Fault.LOST_ANSWER, "the object store"),
    ],
)
async def test_after_three_tries_the_caller_is_told_when_to_come_again(
    store: ObjectStore, faults: S3Faults, fault: Fault, reason: str
) -> None:
    faults.fail(fault, methods=["PUT"])
    with pytest.raises(StorageUnavailableError, match=reason) as error:
        await store.put("open/a", DATA)
    assert puts(faults) == 3
    assert error.value.retry_after_s
    assert "127.0.0.1" not in error.value.detail


@pytest.mark.parametrize("only_if_absent", [True, False])
async def test_what_was_kept_without_an_answer_is_kept(
    store: ObjectStore, faults: S3Faults, *, only_if_absent: bool
) -> None:
    faults.fail(Fault.LOST_ANSWER, methods=["PUT"], times=1)
    assert await store.put("ended/a", DATA, only_if_absent=only_if_absent)
    assert await store.get("ended/a") == DATA


async def test_a_lost_answer_makes_nobody_elses_object_ones_own(
    store: ObjectStore, faults: S3Faults
) -> None:
    await store.put("ended/a", b"of another")
    faults.fail(Fault.LOST_ANSWER, methods=["PUT"], times=2)
    assert not await store.put("ended/a", DATA, only_if_absent=True)
    assert await store.get("ended/a") == b"of another"


async def test_an_answer_that_breaks_off_is_asked_for_again(
    store: ObjectStore, faults: S3Faults
) -> None:
    await store.put("open/a", DATA)
    faults.fail(Fault.TRUNCATED, methods=["GET"], times=1)
    assert await store.get("open/a") == DATA


async def test_a_page_of_a_listing_is_tried_again(
    store: ObjectStore, faults: S3Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.servers.s3_objects.PAGE", 2)
    for number in range(5):
        await store.put(f"open/{number}", b"")
    seen = []
    async for info in store.list("open"):
        seen.append(info.path)
        faults.fail(Fault.INTERNAL, methods=["GET"], times=1)
    assert sorted(seen) == [f"open/{number}" for number in range(5)]


async def test_a_store_that_fails_is_left_alone_and_says_so(
    store: ObjectStore, faults: S3Faults
) -> None:
    faults.fail(Fault.INTERNAL)
    for _ in range(3):
        with pytest.raises(StorageUnavailableError):
            await store.put("open/a", DATA)
    before = puts(faults)
    for _ in range(10):
        with pytest.raises(StorageUnavailableError, match="has failed inside"):
            await store.put("open/a", DATA)
    assert puts(faults) == before
    assert store.unready() == "the object store has failed inside"
    faults.heal()
    await reached(store)
    assert await store.put("open/a", DATA)


async def test_credentials_that_expire_are_named_until_they_are_good_again(
    store: ObjectStore, faults: S3Faults
) -> None:
    faults.fail(Fault.EXPIRED)
    await given_up(store, "credentials have expired")
    assert store.refuses()
    faults.heal()
    await reached(store)
    assert not store.refuses()


async def test_a_bucket_that_is_not_there_is_named(s3_server: S3Server, s3_url: str) -> None:
    store = ObjectStore(s3_server.url("no-such-bucket"))
    await store.start()
    await given_up(store, "the object store has no such bucket")
    for call in (store.put("open/a", DATA), store.get("open/a")):
        with pytest.raises(StorageUnavailableError, match="no such bucket"):
            await call
    await store.close()


async def test_a_store_that_never_answers_takes_no_more_sockets_than_allowed(
    s3_server: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.servers.objects._DEADLINE_S", 0.5)
    monkeypatch.setattr("dispatcher.servers.objects._WAIT_S", 0.5)
    with TcpProxy(s3_server.port) as proxy:
        async with opened(s3_url.replace(str(s3_server.port), str(proxy.port))) as store:
            proxy.drop()
            calls = [store.put(f"open/{number}", DATA) for number in range(300)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StorageUnavailableError}
            assert proxy.connections <= 64 + 4  # a look of its own now and then
            assert store.unready() == "the object store does not answer in time"
            monkeypatch.undo()  # what was swallowed arrives now, and is answered first
            proxy.heal()
            await reached(store)
            assert await store.put("open/a", DATA)


async def test_a_start_waits_for_nobody(s3_server: S3Server, s3_url: str) -> None:
    with TcpProxy(s3_server.port) as proxy:
        proxy.refuse()
        store = ObjectStore(s3_url.replace(str(s3_server.port), str(proxy.port)))
        await store.start()
        await given_up(store, "the object store cannot be connected to")
        proxy.heal()
        await reached(store)
        await store.close()
