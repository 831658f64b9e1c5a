"""Good results for identical images that any dispatcher computed, in Redis.

There are at most so many; those that were used longest ago go first. A value that cannot be read,
or is not what was kept under its key, is a miss.
"""

import hashlib
import time
from collections.abc import AsyncIterator
from typing import Final, cast

import msgspec

from dispatcher.jobs import CachedResult
from dispatcher.results.sealing import seal
from dispatcher.results.shared_values import PREFIX, opened
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.servers.redis_script import RedisScript

_VALUES: Final = f"{PREFIX}cached:"
_BY_USE: Final = f"{PREFIX}cached-by-use"
_UNUSED_FOR_S: Final = 7 * 24 * 3600
"""One that nobody has asked for in so long goes, however few there are."""
_find: Final = RedisScript("dispatcher.results", "find_cached")
_keep: Final = RedisScript("dispatcher.results", "keep_cached")


class _Entry(msgspec.Struct, frozen=True):
    """A result with its key, which the name of its value does not tell."""

    key: str
    cached: CachedResult


_encode: Final = msgspec.json.encode
_entry: Final = msgspec.json.Decoder(_Entry)


class SharedCache:
    """Results by result key; every method raises ``ResultsUnavailableError`` within a second."""

    def __init__(self, redis: RedisConnection, *, size: int) -> None:
        """Keep results.

        Args:
            redis: where.
            size: most that are kept; 0 means none.
        """
        self._redis = redis
        self._size = size

    async def find(self, key: str) -> CachedResult | None:
        """Return the result kept under a key; None when there is none."""
        if not self._size:
            return None
        digest = _digest(key)
        name = _VALUES + digest
        args = (digest, repr(time.time()), _UNUSED_FOR_S)
        value = await self._redis.run(
            lambda client: _find.run(client, keys=[name, _BY_USE], args=args)
        )
        return await self._read(name, cast(bytes | None, value), key=key)

    async def keep(self, key: str, cached: CachedResult) -> None:
        """Keep a result; the one that was used longest ago may go for it."""
        if not self._size:
            return
        digest, now = _digest(key), time.time()
        name = _VALUES + digest
        value = seal(name, _encode(_Entry(key, cached)), looked_at=now)
        args = (value, digest, repr(now), _UNUSED_FOR_S, self._size, _VALUES)
        await self._redis.run(lambda client: _keep.run(client, keys=[name, _BY_USE], args=args))

    async def all(self) -> AsyncIterator[tuple[str, CachedResult]]:
        """Yield every result with its key, the one that was used longest ago coming first."""
        digests = await self._redis.run(lambda client: client.zrange(_BY_USE, 0, -1))
        for digest in cast(list[bytes], digests):
            name = _VALUES + digest.decode()
            value = await self._redis.run(lambda client, name=name: client.get(name))  # type: ignore[misc]
            entry = await self._entry(name, cast(bytes | None, value))
            if entry is not None:
                yield entry.key, entry.cached

    async def _read(self, name: str, value: bytes | None, *, key: str) -> CachedResult | None:
        entry = await self._entry(name, value)
        return entry.cached if entry is not None and entry.key == key else None

    async def _entry(self, name: str, value: bytes | None) -> _Entry | None:
        sealed = await opened(self._redis, name, value)
        if sealed is None:
            return None
        try:
            return _entry.decode(sealed.document)
        except msgspec.DecodeError:  # of another version of this program
            return None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
