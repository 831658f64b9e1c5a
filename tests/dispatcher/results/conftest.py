from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from dispatcher.jobs import Delivery
from dispatcher.results.base import ResultStore
from dispatcher.results.memory import MemoryResultStore
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.servers.objects import ObjectStore
from dispatcher.storage.writer import Writer
from tests.dispatcher.results.ending import (
    KEY_RETENTION_S,
    RETENTION_COUNT,
    RETENTION_S,
    Dropped,
)
from tests.dispatcher.results.sharing import Sharing
from tests.servers.proxy import TcpProxy
from tests.servers.s3 import S3Server

BACKENDS: Final = ("memory", "sqlite", "redis")


@pytest.fixture
def dropped() -> Dropped:
    """What the store of this test dropped."""
    return Dropped()


@pytest.fixture
def due() -> list[Delivery]:
    """The webhooks that the store of this test handed over."""
    return []


@pytest.fixture
async def sharing(redis_url: str, s3_url: str) -> AsyncIterator[Sharing]:
    """Servers that stores of several dispatchers share, and what opens such stores."""
    async with Sharing(redis_url, s3_url) as shared:
        yield shared


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[TcpProxy]:
    """The network before the object store, to be broken."""
    with TcpProxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
async def exposed(
    redis_url: str, s3_url: str, s3_server: S3Server, proxy: TcpProxy
) -> AsyncIterator[Sharing]:
    """Servers that stores share, the object store behind the proxy."""
    url = s3_url.replace(f":{s3_server.port}", f":{proxy.port}")
    async with Sharing(redis_url, url) as shared:
        yield shared


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each object of the object store was read."""
    reads: Counter[str] = Counter()
    get = ObjectStore.get

    async def count(objects: ObjectStore, path: str) -> bytes:
        reads[path] += 1
        return await get(objects, path)

    monkeypatch.setattr(ObjectStore, "get", count)
    return reads


@pytest.fixture(params=BACKENDS)
async def results(
    request: pytest.FixtureRequest, tmp_path: Path, dropped: Dropped, due: list[Delivery]
) -> AsyncIterator[ResultStore]:
    """A store of each backend."""
    async with AsyncExitStack() as stack:
        if request.param == "redis":
            shared = Sharing(
                request.getfixturevalue("redis_url"), request.getfixturevalue("s3_url")
            )
            yield await (await stack.enter_async_context(shared)).open(due=due)
        elif request.param == "sqlite":
            yield await stack.enter_async_context(_sqlite(tmp_path, dropped, due))
        else:
            yield await stack.enter_async_context(_memory(dropped, due))


@asynccontextmanager
async def _memory(dropped: Dropped, due: list[Delivery]) -> AsyncIterator[ResultStore]:
    store = MemoryResultStore(
        retention_s=RETENTION_S,
        retention_count=RETENTION_COUNT,
        key_retention_s=KEY_RETENTION_S,
        on_dropped=dropped.records.append,
        on_due=due.append,
    )
    await store.start()
    yield store
    await store.close()


@asynccontextmanager
async def _sqlite(
    folder: Path, dropped: Dropped, due: list[Delivery]
) -> AsyncIterator[ResultStore]:
    writer = Writer(folder)
    store = SqliteResultStore(
        writer,
        retention_s=RETENTION_S,
        retention_count=RETENTION_COUNT,
        key_retention_s=KEY_RETENTION_S,
        on_dropped=dropped.records.append,
        on_due=due.append,
    )
    await store.start()
    yield store
    await store.close()
    await writer.close()
