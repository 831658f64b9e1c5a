"""Records everything that is written to a disk, and builds what a power loss would leave of it.

SQLite's files are recorded by a VFS of our own that passes everything on, the packs by what they
call of ``os``. A power loss keeps what was synced; of the rest any part may be there, torn in
sectors, or be garbage. Like SQLite's own crash tests (test6.c, https://sqlite.org/testing.html).
"""

import os
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import apsw
import pytest

_SECTOR = 512
_VFS = "recording"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, in order."""

    kind: Literal["write", "truncate", "sync", "delete", "sync_directory", "mark"]
    name: str
    """The file's name; of a mark, what was promised."""
    offset: int = 0
    """Of a write; the size that a truncation leaves."""
    data: bytes = b""


@dataclass
class _File:
    """One file as far as a power loss is concerned."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)
    is_named: bool = False
    """Whether its name in the directory is durable, too."""


class RecordedDisk:
    """The events of one folder."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lock = threading.Lock()

    def note(self, event: Event) -> None:
        """Add an event; called from several threads."""
        with self._lock:
            self.events.append(event)

    def mark(self, promise: str) -> None:
        """Take note of what was promised at this point."""
        self.note(Event("mark", promise))

    @contextmanager
    def recording(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Record SQLite and the packs until the end of the block."""
        vfs = _RecordingVfs(self)
        self._record_os(monkeypatch)
        try:
            yield
        finally:
            monkeypatch.undo()
            vfs.unregister()

    def _record_os(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write, sync = os.pwrite, os.fdatasync

        def pwrite(descriptor: int, data: bytes | memoryview, offset: int) -> int:
            written = write(descriptor, data, offset)
            name = _path_of(descriptor).name
            self.note(Event("write", name, offset, bytes(data[:written])))
            return written

        def fdatasync(descriptor: int) -> None:
            sync(descriptor)
            path = _path_of(descriptor)
            self.note(Event("sync_directory" if path.is_dir() else "sync", path.name))

        monkeypatch.setattr(os, "pwrite", pwrite)
        monkeypatch.setattr(os, "fdatasync", fdatasync)


def promises(events: Sequence[Event]) -> list[str]:
    """Return what had been promised by the end of these events."""
    return [event.name for event in events if event.kind == "mark"]


def after_power_loss(
    events: Sequence[Event], dice: random.Random, *, likely: float | None = None
) -> dict[str, bytes]:
    """Return the files, by name, as they may be when the power fails after these events.

    Args:
        events: what was written and synced until then.
        dice: decides what becomes of what was not synced.
        likely: how likely each part of that is there; any of several unless told.
    """
    files: dict[str, _File] = {}
    for event in events:
        if event.kind == "sync_directory":
            for file in files.values():
                file.is_named = True
        elif event.kind == "delete":
            files.pop(event.name, None)
        elif event.kind != "mark":
            _take(files.setdefault(event.name, _File()), event)
    if likely is None:
        likely = dice.choice((0.0, 0.5, 0.9, 1.0))
    left: dict[str, bytes] = {}
    for name, file in files.items():
        # SQLite syncs the folder of what it makes; a pack is there for sure after ours was synced.
        if file.is_named or not name.endswith(".pack") or dice.random() < likely:
            left[name] = _left_of(file, likely, dice)
    return left


def _take(file: _File, event: Event) -> None:
    if event.kind != "sync":
        file.pending.append(event)
        return
    for pending in file.pending:
        _apply(file.durable, pending)
    file.pending.clear()


def _left_of(file: _File, likely: float, dice: random.Random) -> bytes:
    content = bytearray(file.durable)
    for event in file.pending:
        if event.kind == "truncate":
            if dice.random() < likely:
                _apply(content, event)
            continue
        for at in range(0, len(event.data), _SECTOR):
            sector = event.data[at : at + _SECTOR]
            luck = dice.random()
            if luck < likely:
                _apply(content, Event("write", event.name, event.offset + at, sector))
            elif luck < likely + 0.02:
                garbage = dice.randbytes(len(sector))
                _apply(content, Event("write", event.name, event.offset + at, garbage))
    return bytes(content)


def _apply(content: bytearray, event: Event) -> None:
    if event.kind == "truncate":
        del content[event.offset :]
        return
    if len(content) < event.offset:
        content.extend(bytes(event.offset - len(content)))
    content[event.offset : event.offset + len(event.data)] = event.data


def _path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


class _RecordingVfs(apsw.VFS):
    """The operating system's VFS, made the default, with every change recorded."""

    def __init__(self, disk: RecordedDisk) -> None:
        super().__init__(_VFS, "unix", makedefault=True)
        self._disk = disk

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file."""
        return _RecordingFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file."""
        super().xDelete(filename, syncdir)
        self._disk.note(Event("delete", Path(filename).name))


class _RecordingFile(apsw.VFSFile):
    def __init__(
        self, disk: RecordedDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk, self._name = disk, Path(path or "temporary").name

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._disk.note(Event("write", self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._disk.note(Event("truncate", self._name, newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._disk.note(Event("sync", self._name))
