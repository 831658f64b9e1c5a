"""Sealed values in Redis, each under a name: batches and Idempotency-Keys for speed."""

import logging
from typing import Final, cast

from redis.asyncio import Redis

from dispatcher.results.sealing import SealBrokenError, Sealed, seal, unseal
from dispatcher.servers.redis_connection import RedisConnection

PREFIX: Final = "{conveyor}:results:"
"""All keys have the same tag in braces: scripts touch several of them."""

_log = logging.getLogger(__name__)


class SharedValues:
    """Values of one kind; every method raises ``ResultsUnavailableError`` within a second."""

    def __init__(self, redis: RedisConnection, kind: str) -> None:
        self._redis = redis
        self._prefix = f"{PREFIX}{kind}:"

    async def put(self, name: str, document: bytes, *, for_s: float) -> None:
        """Keep a document for so many seconds, rounded up."""
        key = self._prefix + name
        value = seal(key, document, looked_at=0)
        await self._redis.run(lambda client: client.set(key, value, ex=int(for_s) + 1))

    async def find(self, name: str) -> bytes | None:
        """Return the document; None when there is none, or what is there is something else."""
        key = self._prefix + name
        value = await self._redis.run(lambda client: client.get(key))
        sealed = await opened(self._redis, key, cast(bytes | None, value))
        return None if sealed is None else sealed.document

    async def drop(self, name: str) -> None:
        """Forget it."""
        await self._redis.run(lambda client: client.delete(self._prefix + name))


async def opened(redis: RedisConnection, key: str, value: bytes | None) -> Sealed | None:
    """Return what a value says; None when there is none, or it does not belong to this key.

    The connections are then given up, for the next answer may be another's as well, and so is the
    value, for nothing that has its rank would replace it.

    Raises:
        ResultsUnavailableError: that cannot be.
    """
    if value is None:
        return None
    try:
        return unseal(key, value)
    except SealBrokenError:
        _log.error("a value of Redis is not what was kept under its key: %s", key)
        await redis.run(_disconnect)
        await redis.run(lambda client: client.delete(key))
        return None


async def _disconnect(client: Redis) -> None:
    await client.connection_pool.disconnect(inuse_connections=False)
