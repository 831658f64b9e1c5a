"""Blobs in this process's memory: the reference; what it holds ends with the process."""

from collections.abc import Mapping

from dispatcher.blobs.base import BlobMissingError


class MemoryBlobStore:
    """A ``BlobStore`` for one process."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._holds: dict[str, int] = {}
        self._total_bytes = 0

    def unready(self) -> str | None:
        """Say what cannot be reached: all of it is here."""
        return None

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        """Keep bytes under their digest."""
        if digest not in self._data:
            self._data[digest] = data
            self._total_bytes += len(data)
        self._holds[digest] = self._holds.get(digest, 0) + 1

    async def get(self, digest: str) -> bytes:
        """Return the bytes."""
        try:
            return self._data[digest]
        except KeyError as exc:
            raise BlobMissingError(digest) from exc

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
        self._holds.pop(digest, None)
        self._total_bytes -= len(self._data.pop(digest, b""))

    async def adopt(self, holds: Mapping[str, int]) -> list[str]:
        """Take over nothing: no earlier process left anything."""
        return [digest for digest in holds if digest not in self._holds]

    async def tidy(self) -> None:
        """Nothing to give back: what nobody holds is gone at once."""

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._total_bytes
