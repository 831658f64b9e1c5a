"""Stores of several dispatchers over the same servers, all of them real."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from redis import Redis

from dispatcher.jobs import Delivery
from dispatcher.queues.backlog import Backlog
from dispatcher.results.redis import RedisResultStore
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.results.ending import KEY_RETENTION_S, RETENTION_COUNT, RETENTION_S


class Sharing:
    """Opens as many stores as a test wants, each with connections of its own."""

    def __init__(self, redis_url: str, blob_url: str) -> None:
        """Share two servers.

        Args:
            redis_url: of a database of the test's own.
            blob_url: of a bucket of the test's own.
        """
        self._redis_url = redis_url
        self._blob_url = blob_url
        self._stack = AsyncExitStack()
        self._raw: Redis | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def raw(self) -> Redis:
        """Redis itself, to look into and to harm."""
        if self._raw is None:
            self._raw = Redis.from_url(self._redis_url)
            self._stack.callback(self._raw.close)
        return self._raw

    def forget(self) -> None:
        """Have Redis lose everything."""
        self.raw.flushdb()

    async def objects(self) -> ObjectStore:
        """Return a connection to the object store."""
        objects = ObjectStore(self._blob_url)
        await objects.start()
        self._stack.push_async_callback(objects.close)
        return objects

    async def redis(self) -> RedisConnection:
        """Return a connection to Redis."""
        redis = RedisConnection(self._redis_url)
        await redis.start()
        self._stack.push_async_callback(redis.close)
        return redis

    async def open(
        self,
        *,
        due: list[Delivery] | None = None,
        ended: list[str] | None = None,
        **settings: Any,
    ) -> RedisResultStore:
        """Return one more dispatcher's store; it is closed at the end of the test."""
        known: dict[str, Any] = {
            "retention_s": RETENTION_S,
            "retention_count": RETENTION_COUNT,
            "key_retention_s": KEY_RETENTION_S,
            "try_lead": Backlog(await self.redis()).try_lead,
        }
        store = RedisResultStore(
            await self.redis(),
            await self.objects(),
            on_due=([] if due is None else due).append,
            on_ended=([] if ended is None else ended).append,
            **(known | settings),
        )
        await store.start()
        self._stack.push_async_callback(store.close)
        return store
