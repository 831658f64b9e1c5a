"""What came of chunks, in the object store: found by whoever carries their job next."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import msgspec

from dispatcher.chunks.base import FOLDER, SCHEMA, ChunkOutcome, folder_of, picture_path
from dispatcher.servers.objects import ObjectMissingError, ObjectStore

_FORGOTTEN_AFTER_S: Final = 3600.0
"""Of a job that takes longer some chunks may be computed again."""


class _Kept(msgspec.Struct, frozen=True):
    """An outcome as it is stored; it says itself what it is, so that no other is taken for it."""

    schema: int
    path: str
    reply_digest: str
    outcome: ChunkOutcome


_decoder = msgspec.msgpack.Decoder(_Kept)


class ObjectChunkShelf:
    """A ``ChunkShelf`` for any number of dispatchers."""

    def __init__(
        self,
        objects: ObjectStore,
        *,
        may_tidy: Callable[[], Awaitable[bool]],
        forgotten_after_s: float = _FORGOTTEN_AFTER_S,
    ) -> None:
        """Use an object store.

        Args:
            objects: started before and closed after.
            may_tidy: says whether it is for this dispatcher to remove what was forgotten.
            forgotten_after_s: how old that is.
        """
        self._objects = objects
        self._may_tidy = may_tidy
        self._forgotten_after_s = forgotten_after_s

    async def keep(self, path: str, outcome: ChunkOutcome) -> None:
        """Keep the first outcome."""
        kept = _Kept(SCHEMA, path, await _digest_of(outcome.reply), outcome)
        await self._objects.put(path, msgspec.msgpack.encode(kept), only_if_absent=True)

    async def find(self, path: str) -> ChunkOutcome | None:
        """Return an outcome."""
        try:
            kept = _decoder.decode(await self._objects.get(path))
        except (ObjectMissingError, msgspec.MsgspecError):
            return None
        is_it = kept.schema == SCHEMA and kept.path == path
        if not is_it or kept.reply_digest != await _digest_of(kept.outcome.reply):
            return None
        return kept.outcome

    async def has(self, path: str) -> bool:
        """Say whether there is an outcome."""
        return await self._objects.find(path) is not None

    async def finished(self, job_id: str) -> set[str]:
        """Return the paths of all outcomes of a job."""
        pictures = picture_path(job_id, "")
        paths = {info.path async for info in self._objects.list(folder_of(job_id))}
        return {path for path in paths if not path.startswith(pictures)}

    async def put_picture(self, job_id: str, digest: str, picture: bytes) -> None:
        """Keep a picture."""
        await self._objects.put(picture_path(job_id, digest), picture)

    async def get_picture(self, job_id: str, digest: str) -> bytes | None:
        """Return a picture."""
        try:
            picture = await self._objects.get(picture_path(job_id, digest))
        except ObjectMissingError:
            return None
        return picture if await _digest_of(picture) == digest else None

    async def remove(self, paths: Collection[str]) -> None:
        """Remove outcomes and pictures."""
        for path in paths:
            await self._objects.remove(path)

    async def tidy(self) -> None:
        """Remove what no carrier has removed: it was killed, or its job was stopped."""
        if not await self._may_tidy():
            return
        oldest = time.time() - self._forgotten_after_s
        async for info in self._objects.list(FOLDER):
            if info.modified_at.timestamp() < oldest:
                await self._objects.remove(info.path)


async def _digest_of(data: bytes) -> str:
    """Return the SHA-256 of what may be megabytes, without holding up others."""
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
