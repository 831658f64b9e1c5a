"""Bytes in a few large files: appended one after the other, read by their place.

A file of its own for every image takes several times as long, most of it for making the file. A
pack is removed once nothing in it is needed any more.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

PACK_BYTES: Final = 64 * 1024 * 1024
_SUFFIX: Final = ".pack"
_MOSTLY_EMPTY: Final = 0.25
"""Packs of which no more than this part is needed are worth being emptied."""
_WORTH_REMOVING: Final = 0.5
"""A pack that is this full and of which nothing is needed goes before it is quite full."""


@dataclass(slots=True)
class _Pack:
    number: int
    path: Path
    descriptor: int
    size_bytes: int = 0
    needed_bytes: int = 0
    digests: set[str] = field(default_factory=set)
    """What is needed of it."""
    is_being_emptied: bool = False
    """Whether something was moved out of it; until that is safe, its old place is needed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where bytes are."""

    pack: int
    start: int
    """Offset in the pack."""
    size_bytes: int


class Packs:
    """Append-only files in one directory, for one process at a time."""

    def __init__(self, directory: Path, *, pack_bytes: int = PACK_BYTES) -> None:
        self._directory = directory
        self._pack_bytes = pack_bytes
        self._places: dict[str, Place] = {}
        self._packs: dict[int, _Pack] = {}
        self._current: _Pack | None = None
        self._next_number = 0
        self._unsynced: set[int] = set()
        """Numbers of packs that were written to."""
        self._is_directory_unsynced = False

    def limit_size(self, pack_bytes: int) -> None:
        """Begin a new pack once one has reached this size, if it is smaller than before."""
        self._pack_bytes = min(self._pack_bytes, pack_bytes)

    def __contains__(self, digest: str) -> bool:
        return digest in self._places

    def adopt(self, places: Mapping[str, Place]) -> list[str]:
        """Take over the packs of an earlier process; return the digests that are not there.

        What is in no place is removed. Nothing is appended to an old pack: its end may hold bytes
        that never became safe.
        """
        for path in self._directory.glob(f"*{_SUFFIX}"):
            if path.stem.isdigit():
                self._next_number = max(self._next_number, int(path.stem) + 1)
        missing = []
        for digest, place in places.items():
            pack = self._packs.get(place.pack) or self._open_old(place.pack)
            if pack is None or place.start + place.size_bytes > pack.size_bytes:
                missing.append(digest)
                continue
            self._note(digest, place, pack)
        for path in self._directory.glob(f"*{_SUFFIX}"):
            if not path.stem.isdigit() or int(path.stem) not in self._packs:
                path.unlink(missing_ok=True)
        return missing

    def append(self, digest: str, data: bytes) -> Place:
        """Keep bytes.

        Raises:
            OSError: they could not be written; what was kept before is still there.
        """
        pack = self._open_pack()
        start, written = pack.size_bytes, 0
        view = memoryview(data)
        while written < len(data):
            # At its place, so that what a failed attempt left is written over.
            written += os.pwrite(pack.descriptor, view[written:], start + written)
        pack.size_bytes += len(data)
        self._unsynced.add(pack.number)
        place = Place(pack.number, start, len(data))
        self._note(digest, place, pack)
        return place

    def read(self, digest: str) -> bytes | None:
        """Return bytes; None when they are not kept, or no longer readable."""
        place = self._places.get(digest)
        if place is None:
            return None
        descriptor = self._packs[place.pack].descriptor
        try:
            data = os.pread(descriptor, place.size_bytes, place.start)
        except OSError:
            _log.exception("bytes cannot be read", extra={"digest": digest})
            return None
        return data if len(data) == place.size_bytes else None

    def drop(self, digest: str) -> None:
        """Forget bytes; a pack in which nothing is needed any more is removed."""
        place = self._places.pop(digest, None)
        if place is None:
            return
        pack = self._packs[place.pack]
        pack.digests.remove(digest)
        pack.needed_bytes -= place.size_bytes
        if pack.digests:
            return
        if pack is self._current and pack.size_bytes >= self._pack_bytes * _WORTH_REMOVING:
            self._current = None
        if pack is not self._current and not pack.is_being_emptied:
            self._remove(pack)

    def worth_moving(self) -> list[str]:
        """Return what is left in full packs that are mostly empty."""
        return [
            digest
            for pack in self._packs.values()
            if pack is not self._current and pack.needed_bytes <= _MOSTLY_EMPTY * pack.size_bytes
            for digest in pack.digests
        ]

    def move(self, digest: str) -> Place | None:
        """Append bytes anew and forget their old place; None when they are gone.

        The old pack stays until ``remove_empty``: its places may be needed after a crash.

        Raises:
            OSError: they could not be written, and stay where they are.
        """
        data = self.read(digest)
        if data is None:
            return None
        old = self._packs[self._places[digest].pack]
        place = self.append(digest, data)
        if self._packs[place.pack] is not old:
            old.digests.remove(digest)
            old.is_being_emptied = True
        old.needed_bytes -= len(data)
        return place

    def remove_empty(self) -> None:
        """Remove packs in which nothing is needed any more; all moves are safe by now."""
        for pack in list(self._packs.values()):
            pack.is_being_emptied = False
            if not pack.digests and pack is not self._current:
                self._remove(pack)

    def take_unsynced(self) -> list[int]:
        """Return descriptors of what was written to since the last call; the caller closes them.

        Raises:
            OSError: too many are open; the next call returns them.
        """
        taken: list[int] = []
        try:
            taken += (os.dup(self._packs[number].descriptor) for number in self._unsynced)
            if self._is_directory_unsynced:
                taken.append(os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY))
        except OSError:
            for descriptor in taken:
                os.close(descriptor)
            raise
        self._unsynced.clear()
        self._is_directory_unsynced = False
        return taken

    def size_bytes(self) -> int:
        """Return the size of all packs on disk."""
        return sum(pack.size_bytes for pack in self._packs.values())

    def close(self, *, remove: bool) -> None:
        """Close all packs; remove them when nobody shall read them any more."""
        for pack in list(self._packs.values()):
            if remove:
                self._remove(pack)
            else:
                os.close(pack.descriptor)
        self._packs.clear()
        self._places.clear()
        self._current = None

    def _note(self, digest: str, place: Place, pack: _Pack) -> None:
        pack.digests.add(digest)
        pack.needed_bytes += place.size_bytes
        self._places[digest] = place

    def _open_old(self, number: int) -> _Pack | None:
        path = self._path_of(number)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        size_bytes = os.fstat(descriptor).st_size
        pack = self._packs[number] = _Pack(number, path, descriptor, size_bytes)
        return pack

    def _open_pack(self) -> _Pack:
        if self._current is not None and self._current.size_bytes < self._pack_bytes:
            return self._current
        number = self._next_number
        path = self._path_of(number)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
        self._is_directory_unsynced = True
        full, self._current = self._current, _Pack(number, path, descriptor)
        self._packs[number] = self._current
        self._next_number += 1
        if full is not None and not full.digests:
            self._remove(full)
        return self._current

    def _path_of(self, number: int) -> Path:
        return self._directory / f"{number:06}{_SUFFIX}"

    def _remove(self, pack: _Pack) -> None:
        del self._packs[pack.number]
        self._unsynced.discard(pack.number)
        os.close(pack.descriptor)
        pack.path.unlink(missing_ok=True)
