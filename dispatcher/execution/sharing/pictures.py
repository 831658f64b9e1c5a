"""The pictures of which this dispatcher computes chunks for others: read once for all of them."""

import asyncio
from typing import Final

from cachetools import LRUCache

from dispatcher.blobs.base import BlobCorruptError, BlobMissingError, BlobStore
from dispatcher.chunks.base import ChunkRequest, ChunkShelf

_MAX_BYTES: Final = 64 * 1024 * 1024


class ChunkPictures:
    """Reads pictures; the latest ones stay in memory while there is work on any."""

    def __init__(self, *, blobs: BlobStore, shelf: ChunkShelf, max_bytes: int = _MAX_BYTES) -> None:
        self._blobs = blobs
        self._shelf = shelf
        self._latest: LRUCache[str, bytes] = LRUCache(maxsize=max_bytes, getsizeof=len)
        self._reading: dict[str, asyncio.Task[bytes | None]] = {}

    async def get(self, request: ChunkRequest) -> bytes | None:
        """Return the picture that a chunk is made of; None when it is gone.

        Raises:
            StorageUnavailableError: it cannot be read now.
        """
        latest = self._latest.get(request.digest)
        if latest is not None:
            return latest
        reading = self._reading.get(request.digest)
        if reading is None:
            reading = self._reading[request.digest] = asyncio.create_task(self._read(request))
            reading.add_done_callback(lambda done: self._end(request.digest, done))
        # Others may wait for it, too.
        picture = await asyncio.shield(reading)
        if picture is not None and len(picture) <= self._latest.maxsize:
            self._latest[request.digest] = picture
        return picture

    def forget(self) -> None:
        """Free the memory: there is no work on any."""
        self._latest.clear()

    def _end(self, digest: str, reading: "asyncio.Task[bytes | None]") -> None:
        del self._reading[digest]
        if not reading.cancelled():
            reading.exception()  # seen here, should all who waited have been cancelled

    async def _read(self, request: ChunkRequest) -> bytes | None:
        if not request.is_sent:
            return await self._shelf.get_picture(request.job_id, request.digest)
        try:
            return await self._blobs.get(request.digest)
        except (BlobMissingError, BlobCorruptError):
            return None
