"""News of chunks by Redis: all of it may be lost at any time, and costs nothing but time then."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from dispatcher.chunks.base import Hearing
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.servers.redis_script import RedisScript

_log = logging.getLogger(__name__)

_PREFIX: Final = "{conveyor}:tiles:"
_CHANNEL: Final = f"{_PREFIX}news"
_IN_WORK: Final = f"{_PREFIX}in-work"
_BEAT: Final = RedisScript("dispatcher.chunks", "beat")
_BELIEVED: Final = RedisScript("dispatcher.chunks", "believed")
_WANTED, _KEPT, _UNWANTED = b"w", b"k", b"u"
"""How a message begins; what it is about follows."""


class RedisChunkNews:
    """A ``ChunkNews`` for any number of dispatchers."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._hearings: list[Hearing] = []
        redis.subscribe(_CHANNEL, self._hear)

    def listen(self, hear: Hearing) -> None:
        """Have news handed over."""
        self._hearings.append(hear)

    async def call(self, step: str) -> None:
        """Tell that chunks of a step wait."""
        await self._redis.publish(_CHANNEL, _WANTED + step.encode())

    async def tell_kept(self, path: str) -> None:
        """Tell that an outcome is on the shelf."""
        await self._redis.publish(_CHANNEL, _KEPT + path.encode())

    async def dismiss(self, job_id: str) -> None:
        """Tell that nobody wants the chunks of a job."""
        await self._redis.publish(_CHANNEL, _UNWANTED + job_id.encode())

    async def beat(
        self, ready: Mapping[str, Collection[str]], in_work: Collection[str], *, for_s: float
    ) -> None:
        """Say what this dispatcher has."""
        keys = [_IN_WORK, *map(_replicas_key, ready)]
        args: list[str | bytes | int | float] = [for_s]
        for members in (in_work, *ready.values()):
            args += [len(members), *members]
        await self._redis.run(lambda client: _BEAT.run(client, keys=keys, args=args))

    async def replicas(self, step: str) -> set[str]:
        """Return the replicas that are ready anywhere."""
        return await self._believed(_replicas_key(step))

    async def in_work(self, paths: Sequence[str]) -> set[str]:
        """Return those that are computed anywhere."""
        return await self._believed(_IN_WORK, paths) if paths else set()

    async def _believed(self, key: str, members: Sequence[str] = ()) -> set[str]:
        found = await self._redis.run(
            lambda client: _BELIEVED.run(client, keys=[key], args=members)
        )
        return {bytes(member).decode() for member in found}

    def _hear(self, message: bytes) -> None:
        kind, about = message[:1], message[1:].decode()
        for hear in self._hearings:
            if kind == _WANTED:
                hear.on_wanted(about)
            elif kind == _KEPT:
                hear.on_kept(about)
            elif kind == _UNWANTED:
                hear.on_unwanted(about)


def _replicas_key(step: str) -> str:
    return f"{_PREFIX}replicas:{step}"
