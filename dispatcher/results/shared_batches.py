"""Batches of several dispatchers: safe in the archive, fast in Redis."""

import contextlib
import time
from typing import Any, Final

import msgspec

from dispatcher.errors import NotFoundError, ResultsUnavailableError
from dispatcher.jobs import Batch
from dispatcher.results.archive import Archive, is_id
from dispatcher.results.shared_values import PREFIX, SharedValues
from dispatcher.servers.redis_connection import RedisConnection

_BY_AGE: Final = f"{PREFIX}batches"
"""Sorted by when they were made: how many files each has, a colon, its id."""
_encode: Final = msgspec.json.encode
_batch: Final = msgspec.json.Decoder(Batch)


class SharedBatches:
    """Batches by id, until there are too many files or they are too old."""

    def __init__(
        self,
        archive: Archive,
        redis: RedisConnection,
        *,
        retention_s: float,
        retention_count: int,
    ) -> None:
        self._archive = archive
        self._redis = redis
        self._values = SharedValues(redis, "batch")
        self._retention_s = retention_s
        self._retention_count = retention_count

    async def add(self, batch: Batch) -> None:
        """Keep a new batch.

        Raises:
            StorageUnavailableError: it cannot be told whether it is kept.
        """
        await self._archive.put_batch(batch)
        with contextlib.suppress(ResultsUnavailableError):
            await self.remember(batch)

    async def get(self, batch_id: str) -> Batch:
        """Return a batch.

        Raises:
            NotFoundError: no such batch, or its retention has passed.
            StorageUnavailableError: it cannot be read now.
        """
        if not is_id(batch_id):
            raise NotFoundError
        batch = await self._find(batch_id)
        if batch is None or time.time() - batch.created_at > self._retention_s:
            raise NotFoundError
        return batch

    async def remember(self, batch: Batch) -> None:
        """Have a batch in Redis.

        Raises:
            ResultsUnavailableError: it is not.
        """
        await self._values.put(batch.id, _encode(batch), for_s=self._retention_s)
        entry = {f"{len(batch.files)}:{batch.id}": batch.created_at}
        await self._redis.run(lambda client: client.zadd(_BY_AGE, entry))

    async def drop_old(self) -> None:
        """Drop those that have to go.

        Raises:
            RequestError: a server is away.
        """
        entries = await self._redis.run(_entries)
        oldest = time.time() - self._retention_s
        for name in due(entries, oldest=oldest, most_files=self._retention_count):
            await self.drop(name.split(":", 1)[1])
            await self._redis.run(lambda client, name=name: client.zrem(_BY_AGE, name))  # type: ignore[misc]

    async def drop(self, batch_id: str) -> None:
        """Drop a batch.

        Raises:
            RequestError: a server is away.
        """
        await self._archive.drop_batch(batch_id)
        await self._values.drop(batch_id)

    async def _find(self, batch_id: str) -> Batch | None:
        with contextlib.suppress(ResultsUnavailableError, msgspec.DecodeError):
            document = await self._values.find(batch_id)
            if document is not None:
                return _batch.decode(document)
        batch = await self._archive.find_batch(batch_id)
        if batch is not None:
            with contextlib.suppress(ResultsUnavailableError):
                await self.remember(batch)
        return batch


def due(entries: list[tuple[str, float]], *, oldest: float, most_files: int) -> list[str]:
    """Return which batches have to go: those that are too old, and the oldest beyond the files.

    Args:
        entries: name, ``<files>:<id>``, and time of making of each, the oldest first.
        oldest: Unix seconds; what was made earlier goes.
        most_files: how many files all that stay may have; the newest batch stays whatever it has.
    """
    found, files = [], 0
    for number, (name, made_at) in enumerate(reversed(entries)):
        files += int(name.split(":", 1)[0])
        if made_at < oldest or (number and files > most_files):
            found.append(name)
    return found[::-1]


async def _entries(client: Any) -> list[tuple[str, float]]:
    found = await client.zrange(_BY_AGE, 0, -1, withscores=True)
    return [(name.decode(), score) for name, score in found]
