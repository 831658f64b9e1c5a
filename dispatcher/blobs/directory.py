"""Blobs in memory and, when there are many, in a directory.

Most images are needed for moments only, so the newest stay in memory; as soon as there is no
space, the oldest are written to packs. Nobody reads those after this process has ended.
"""

import shutil
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dispatcher.blobs.base import BlobMissingError
from dispatcher.blobs.packs import Packs
from dispatcher.errors import StorageFullError

_RETRY_AFTER_S: Final = 10
MEMORY_BYTES: Final = 32 * 1024 * 1024


class DirectoryBlobStore:
    """A ``BlobStore`` in memory and a directory; what it holds ends with the process.

    Nothing in it waits: an image is written to the page cache sooner than another thread could
    take it over, and so no call ever sees another one half done.
    """

    def __init__(self, directory: Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._directory = directory
        self._packs = Packs(directory)
        self._holds: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._total_bytes = 0
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        """Oldest first."""
        self._memory_bytes = 0
        self._max_memory_bytes = memory_bytes

    def unready(self) -> str | None:
        """Say what cannot be reached: all of it is here."""
        return None

    async def start(self) -> None:
        """Open an empty directory: nobody holds what an earlier process left."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)

    async def close(self) -> None:
        """Remove the directory: the holds end here."""
        self._packs.close(remove=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        """Keep bytes under their digest."""
        if await self.hold(digest):
            return
        self._make_space(len(data))
        self._holds[digest] = 1
        self._sizes[digest] = len(data)
        self._total_bytes += len(data)
        self._memory[digest] = data
        self._memory_bytes += len(data)

    async def get(self, digest: str) -> bytes:
        """Return the bytes."""
        data = self._memory.get(digest)
        if data is None:
            data = self._packs.read(digest)
        if data is None:
            raise BlobMissingError(digest)
        return data

    async def hold(self, digest: str) -> bool:
        """Add one hold on bytes that are kept; False when they are not."""
        if digest not in self._holds:
            return False
        self._holds[digest] += 1
        return True

    async def release(self, digest: str) -> None:
        """End one hold."""
        holds = self._holds.get(digest, 0) - 1
        if holds > 0:
            self._holds[digest] = holds
            return
        if self._holds.pop(digest, None) is None:
            return
        self._total_bytes -= self._sizes.pop(digest)
        if digest in self._memory:
            self._memory_bytes -= len(self._memory.pop(digest))
        else:
            self._packs.drop(digest)

    async def adopt(self, holds: Mapping[str, int]) -> list[str]:
        """Take over nothing: no earlier process left anything."""
        return [digest for digest in holds if digest not in self._holds]

    async def tidy(self) -> None:
        """Nothing to give back: what nobody holds is gone at once."""

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._total_bytes

    def _make_space(self, size_bytes: int) -> None:
        """Write the oldest bytes to a pack until so many more fit into memory, or none is left.

        Raises:
            StorageFullError: they could not be written, and stay in memory.
        """
        while self._memory and self._memory_bytes + size_bytes > self._max_memory_bytes:
            digest, data = next(iter(self._memory.items()))
            try:
                self._packs.append(digest, data)
            except OSError as exc:
                raise StorageFullError(retry_after_s=_RETRY_AFTER_S) from exc
            del self._memory[digest]
            self._memory_bytes -= len(data)
