"""Blobs that survive: bytes in packs, their places in the database.

Bytes are written to a pack at once and are safe with the next commit of the database: the writer
syncs the packs before it commits the places. So the bytes of many images cost one sync.
"""

import asyncio
import contextlib
import hashlib
import itertools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import apsw

from dispatcher.blobs.base import BlobMissingError
from dispatcher.blobs.packs import Packs, Place
from dispatcher.errors import StorageFullError
from dispatcher.storage.reserve import is_for_want_of_space
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from dispatcher.storage.writes import Write

_log = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = 10
_PAUSE_S: Final = 1.0
_PACKS_OF_A_DISK: Final = 32
"""On a small disk packs are small, so that there is soon one to be removed."""


class LocalBlobStore:
    """A ``BlobStore`` in a directory; what it holds outlives the process."""

    def __init__(self, directory: Path, *, writer: Writer, space: Space) -> None:
        self._directory = directory
        self._writer = writer
        self._space = space
        self._packs = Packs(directory)
        self._rows: dict[str, int] = {}
        """Digest to its row in the database."""
        self._next_row = itertools.count(1)
        self._holds: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._total_bytes = 0
        self._unproved: set[str] = set()
        """Written by an earlier process and not read since."""
        self._missing: dict[str, int] = {}
        """Holds on bytes that are gone; those of the same digest that come again take them over."""

    def unready(self) -> str | None:
        """Say what cannot be reached: all of it is here."""
        return None

    async def start(self) -> None:
        """Open the directory."""
        self._directory.mkdir(parents=True, exist_ok=True)
        await self._writer.start()
        for folder in (self._directory.parent, self._directory.parent.parent):
            with contextlib.suppress(PermissionError):
                # A name is data of its folder.
                _sync(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        self._packs.limit_size(self._space.total_bytes() // _PACKS_OF_A_DISK)
        self._writer.sync_before_commit(self._packs.take_unsynced)

    async def close(self) -> None:
        """Close the files; the bytes stay."""
        for descriptor in self._packs.take_unsynced():  # a last commit may refer to them
            _sync(descriptor)
        self._writer.sync_before_commit(list)
        self._packs.close(remove=False)

    async def adopt(self, holds: Mapping[str, int]) -> list[str]:
        """Take over what an earlier process left."""
        rows = self._writer.read(
            "SELECT place, digest, pack, start, size_bytes FROM blobs ORDER BY place"
        )
        # A digest that is there twice was moved: the later row is the right one.
        self._rows = {digest: row for row, digest, *_ in rows if holds.get(digest)}
        self._next_row = itertools.count(rows[-1][0] + 1 if rows else 1)
        places = {
            digest: Place(*place) for row, digest, *place in rows if self._rows.get(digest) == row
        }
        for digest in self._packs.adopt(places):
            del places[digest], self._rows[digest]
        for digest, place in places.items():
            self._keep(digest, place.size_bytes, holds=holds[digest])
        self._unproved = set(places)
        needed = set(self._rows.values())
        forgotten = [row[0] for row in rows if row[0] not in needed]
        if forgotten:
            await self._writer.submit(_deletion(forgotten))
        self._missing = {digest: held for digest, held in holds.items() if digest not in places}
        return list(self._missing)

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        """Keep bytes under their digest; what is no new work waits for space."""
        while not await self.hold(digest):
            try:
                if is_new_work:
                    self._writer.require_space()
                    self._space.require(len(data))
                place = self._packs.append(digest, data)
            except OSError as exc:
                if is_new_work or not is_for_want_of_space(exc):
                    raise StorageFullError(retry_after_s=_RETRY_AFTER_S) from exc
                if not self._writer.give_up_reserve():
                    await asyncio.sleep(_PAUSE_S)
                continue
            self._keep(digest, place.size_bytes, holds=1 + self._missing.pop(digest, 0))
            self._note_place(digest, place)
            return

    async def get(self, digest: str) -> bytes:
        """Return the bytes; those of an earlier process are compared with their digest."""
        data = self._packs.read(digest) if digest in self._holds else None
        if data is None:
            raise BlobMissingError(digest)
        if digest in self._unproved:
            if hashlib.sha256(data).hexdigest() != digest:
                _log.error("bytes were damaged", extra={"digest": digest})
                self._missing[digest] = self._holds[digest]
                self._drop(digest)
                raise BlobMissingError(digest)
            self._unproved.discard(digest)
        return data

    async def hold(self, digest: str) -> bool:
        """Add one hold on bytes that are kept; False when they are not."""
        if digest not in self._holds:
            return False
        self._holds[digest] += 1
        return True

    async def release(self, digest: str) -> None:
        """End one hold."""
        held = self._missing if digest in self._missing else self._holds
        holds = held.get(digest, 0) - 1
        if holds > 0:
            held[digest] = holds
        elif held is self._missing:
            del held[digest]
        elif digest in held:
            self._drop(digest)

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._total_bytes

    def disk_bytes(self) -> int:
        """Return the size of the files."""
        return self._packs.size_bytes()

    async def tidy(self) -> None:
        """Move what is left in mostly empty packs, so that those can go."""
        noted = None
        for digest in self._packs.worth_moving():
            if digest not in self._packs:
                continue  # released meanwhile
            try:
                place = self._packs.move(digest)
            except OSError:
                break  # there is no space to move anything to; what is kept stays where it is
            if place is not None:
                noted = self._note_place(digest, place)
            await asyncio.sleep(0)
        if noted is not None:
            await noted
            self._packs.remove_empty()

    def _drop(self, digest: str) -> None:
        """Forget bytes."""
        del self._holds[digest]
        self._total_bytes -= self._sizes.pop(digest)
        self._unproved.discard(digest)
        self._packs.drop(digest)
        self._writer.post(_deletion([self._rows.pop(digest)]))

    def _keep(self, digest: str, size_bytes: int, *, holds: int) -> None:
        self._holds[digest] = holds
        self._sizes[digest] = size_bytes
        self._total_bytes += size_bytes

    def _note_place(self, digest: str, place: Place) -> "asyncio.Future[None]":
        row, old = next(self._next_row), self._rows.get(digest)
        self._rows[digest] = row

        def write(database: apsw.Connection) -> None:
            database.execute(
                "INSERT INTO blobs (place, digest, pack, start, size_bytes) VALUES (?, ?, ?, ?, ?)",
                (row, digest, place.pack, place.start, place.size_bytes),
            )
            if old is not None:
                database.execute("DELETE FROM blobs WHERE place = ?", (old,))

        return self._writer.submit(write)


def _sync(descriptor: int) -> None:
    """Have what was written to a file, or to a folder, on stable storage, and close it."""
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _deletion(rows: list[int]) -> Write:
    def write(database: apsw.Connection) -> None:
        database.executemany("DELETE FROM blobs WHERE place = ?", [(row,) for row in rows])

    return write
