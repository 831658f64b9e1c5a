"""Bytes in a few large files: appended one after the other, read by their place.

A file of its own for every image takes several times as long, most of it for making the file. A
pack is removed once nothing in it is needed any more; what is needed in it is never moved.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PACK_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _Pack:
    path: Path
    descriptor: int
    size_bytes: int = 0
    digests: set[str] = field(default_factory=set)
    """What is needed of it."""


@dataclass(frozen=True, slots=True)
class _Place:
    pack: _Pack
    offset: int
    size_bytes: int


class Packs:
    """Append-only files in one directory, for one process."""

    def __init__(self, directory: Path, *, pack_bytes: int = PACK_BYTES) -> None:
        self._directory = directory
        self._pack_bytes = pack_bytes
        self._places: dict[str, _Place] = {}
        self._current: _Pack | None = None
        self._made = 0

    def __contains__(self, digest: str) -> bool:
        return digest in self._places

    def append(self, digest: str, data: bytes) -> None:
        """Keep bytes.

        Raises:
            OSError: they could not be written; what was kept before is still there.
        """
        pack = self._open_pack()
        offset, written = pack.size_bytes, 0
        view = memoryview(data)
        while written < len(data):
            # At its place, so that what a failed attempt left is written over.
            written += os.pwrite(pack.descriptor, view[written:], offset + written)
        pack.size_bytes += len(data)
        pack.digests.add(digest)
        self._places[digest] = _Place(pack, offset, len(data))

    def read(self, digest: str) -> bytes | None:
        """Return bytes; None when they are not kept, or no longer readable."""
        place = self._places.get(digest)
        if place is None:
            return None
        data = os.pread(place.pack.descriptor, place.size_bytes, place.offset)
        return data if len(data) == place.size_bytes else None

    def drop(self, digest: str) -> None:
        """Forget bytes; a pack in which nothing is needed any more is removed."""
        place = self._places.pop(digest, None)
        if place is None:
            return
        place.pack.digests.remove(digest)
        if not place.pack.digests and place.pack is not self._current:
            _remove(place.pack)

    def close(self) -> None:
        """Close and remove all packs."""
        packs = {id(place.pack): place.pack for place in self._places.values()}
        if self._current is not None:
            packs[id(self._current)] = self._current
        for pack in packs.values():
            _remove(pack)
        self._places.clear()
        self._current = None

    def _open_pack(self) -> _Pack:
        if self._current is not None and self._current.size_bytes < self._pack_bytes:
            return self._current
        path = self._directory / f"{self._made:06}.pack"
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
        full, self._current = self._current, _Pack(path, descriptor)
        self._made += 1
        if full is not None and not full.digests:
            _remove(full)
        return self._current


def _remove(pack: _Pack) -> None:
    os.close(pack.descriptor)
    pack.path.unlink(missing_ok=True)
