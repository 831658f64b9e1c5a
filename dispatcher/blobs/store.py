"""Blobs in memory and, when there are many, in a directory: content-addressed files.

Most images are needed for moments only, so the newest stay in memory; as soon as there is no
space, the oldest are written to files, through ``obstore``, each whole or not at all.
"""

import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import NotFoundError as ObjectMissingError
from obstore.store import LocalStore

from dispatcher.blobs.base import BlobMissingError

MEMORY_BYTES: Final = 64 * 1024 * 1024


class ObstoreBlobStore:
    """A ``BlobStore`` in memory and a directory; what it holds ends with the process."""

    def __init__(self, directory: Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._directory = directory
        self._store: LocalStore | None = None
        self._holds: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._total_bytes = 0
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        """Oldest first."""
        self._memory_bytes = 0
        self._max_memory_bytes = memory_bytes
        self._moving: dict[str, bytes] = {}
        """On their way from memory to a file."""
        self._files: set[str] = set()

    async def start(self) -> None:
        """Open an empty directory: nobody holds what an earlier process left."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        self._store = LocalStore(self._directory.resolve(), mkdir=True)

    async def close(self) -> None:
        """Remove the directory: the holds end here."""
        self._store = None
        shutil.rmtree(self._directory, ignore_errors=True)

    async def put(self, digest: str, data: bytes) -> None:
        """Keep bytes under their digest."""
        if self.hold(digest):
            return
        self._holds[digest] = 1
        self._sizes[digest] = len(data)
        self._total_bytes += len(data)
        self._remember(digest, data)
        try:
            await self._make_space()
        except BaseException:
            await self.release(digest)
            raise

    async def get(self, digest: str) -> bytes:
        """Return the bytes."""
        for place in (self._memory, self._moving):
            if digest in place:
                return place[digest]
        if digest not in self._holds:
            raise BlobMissingError(digest)
        try:
            found = await obstore.get_async(self._require_store(), _path(digest))
            return bytes(await found.bytes_async())
        except (ObjectMissingError, FileNotFoundError) as exc:
            raise BlobMissingError(digest) from exc

    def hold(self, digest: str) -> bool:
        """Add one hold on bytes that are kept; False when they are not, or not yet."""
        if digest not in self._sizes:
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
        if digest in self._files:
            # Synchronous on purpose: an await here would let a put of the same bytes come in
            # between, and the file that it just wrote would be removed.
            self._files.remove(digest)
            self._remove_file(digest)

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._total_bytes

    def _remember(self, digest: str, data: bytes) -> None:
        self._memory[digest] = data
        self._memory_bytes += len(data)

    async def _make_space(self) -> None:
        """Write the oldest bytes to files until the others fit into memory."""
        while self._memory_bytes > self._max_memory_bytes:
            digest, data = self._memory.popitem(last=False)
            self._memory_bytes -= len(data)
            self._moving[digest] = data
            try:
                await obstore.put_async(self._require_store(), _path(digest), data)
            except BaseException:
                if digest in self._holds and digest not in self._memory:
                    self._remember(digest, data)
                raise
            finally:
                # Let go, put again and on its way again meanwhile, it is another's to end.
                if self._moving.get(digest) is data:
                    del self._moving[digest]
            if digest in self._holds and digest not in self._memory:
                self._files.add(digest)
            else:
                self._remove_file(digest)  # released meanwhile, and maybe put again

    def _remove_file(self, digest: str) -> None:
        (self._directory / _path(digest)).unlink(missing_ok=True)

    def _require_store(self) -> LocalStore:
        assert self._store is not None, "the store is not started"
        return self._store


def _path(digest: str) -> str:
    """Spread the files over folders: one with a million entries is slow to list."""
    return f"{digest[:2]}/{digest}"
