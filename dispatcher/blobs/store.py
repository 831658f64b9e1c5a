"""Blobs in a directory, through ``obstore``: content-addressed files, each put whole or not at all.

The most recent ones are kept in memory, too: most are read once, moments after they were put.
"""

import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import NotFoundError as ObjectMissingError
from obstore.store import LocalStore

from dispatcher.blobs.base import BlobMissingError

RECENT_BYTES: Final = 32 * 1024 * 1024


class ObstoreBlobStore:
    """A ``BlobStore`` in a directory; holds are counted in memory and end with the process."""

    def __init__(self, directory: Path, *, recent_bytes: int = RECENT_BYTES) -> None:
        self._directory = directory
        self._store: LocalStore | None = None
        self._holds: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._total_bytes = 0
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._max_recent_bytes = recent_bytes

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
        is_new = digest not in self._holds
        # Held before it is written, so that a release meanwhile does not remove it.
        self._holds[digest] = self._holds.get(digest, 0) + 1
        if not is_new and digest in self._sizes:
            return
        self._remember(digest, data)
        try:
            await obstore.put_async(self._require_store(), _path(digest), data)
        except BaseException:
            await self.release(digest)
            raise
        if digest not in self._sizes:
            self._sizes[digest] = len(data)
            self._total_bytes += len(data)

    async def get(self, digest: str) -> bytes:
        """Return the bytes."""
        if digest in self._recent:
            return self._recent[digest]
        if digest not in self._holds:
            raise BlobMissingError(digest)
        try:
            found = await obstore.get_async(self._require_store(), _path(digest))
            return bytes(await found.bytes_async())
        except (ObjectMissingError, FileNotFoundError) as exc:
            raise BlobMissingError(digest) from exc

    def hold(self, digest: str) -> bool:
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
        self._forget(digest)
        size = self._sizes.pop(digest, None)
        if size is None:
            return
        self._total_bytes -= size
        # Synchronous on purpose: an await here would let a put of the same bytes come in
        # between, and the file that it just wrote would be removed.
        (self._directory / _path(digest)).unlink(missing_ok=True)

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._total_bytes

    def _require_store(self) -> LocalStore:
        assert self._store is not None, "the store is not started"
        return self._store

    def _remember(self, digest: str, data: bytes) -> None:
        if len(data) > self._max_recent_bytes // 4 or digest in self._recent:
            return
        self._recent[digest] = data
        self._recent_bytes += len(data)
        while self._recent_bytes > self._max_recent_bytes:
            _, dropped = self._recent.popitem(last=False)
            self._recent_bytes -= len(dropped)

    def _forget(self, digest: str) -> None:
        data = self._recent.pop(digest, None)
        if data is not None:
            self._recent_bytes -= len(data)


def _path(digest: str) -> str:
    """Spread the files over folders: one with a million entries is slow to list."""
    return f"{digest[:2]}/{digest}"
