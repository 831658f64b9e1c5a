"""Objects as files of a directory that all dispatchers see.

obstore has such a store, too, but leaves what it writes to the page cache; what is put here has
to survive a power cut before anybody is told that it is kept. So each file is synced, and so is
its name.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from dispatcher.errors import StartupError
from dispatcher.servers.object_backend import PAGE, ObjectInfo, ObjectMissingError
from dispatcher.servers.watch import AwayError

T = TypeVar("T")
_FLAG: Final = "--blob-url"
_THREADS: Final = 16
"""A network's file system that hangs takes no more of them than these."""
_UNFINISHED: Final = ".part-"
"""Begins the names of files that are being written, or were when their writer died."""
_FORGOTTEN_S: Final = 3600.0
_NO_FILE: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""A folder is no object, and nothing is below an object."""
_REASONS: Final = {
    errno.ENOSPC: "the shared directory is full",
    errno.EDQUOT: "the shared directory is full",
    errno.EROFS: "the shared directory cannot be written",
    errno.EACCES: "the shared directory cannot be used: permission is denied",
    errno.EPERM: "the shared directory cannot be used: permission is denied",
    errno.ENOENT: "the shared directory is gone",
}


def make_folder_objects(url: str) -> "FolderObjects":
    """Return the store in a directory, ``/path`` or ``file:///path``.

    Raises:
        StartupError: it is another kind of URL.
    """
    path = url.removeprefix("file://")
    if not path or ":" in path.partition("/")[0]:
        raise StartupError(f"{_FLAG}: neither s3://… nor a directory")
    return FolderObjects(Path(path).absolute())


class FolderObjects:
    """An ``ObjectBackend`` in a directory."""

    name = "the shared directory"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._was_there = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")

    async def look(self) -> None:
        """See whether files can be made here."""
        await self.run(self._look)

    async def put(self, path: str, data: bytes, *, only_if_absent: bool) -> bool:
        """Keep an object."""
        return await self.run(lambda: self._put(path, data, only_if_absent))

    async def get(self, path: str) -> bytes:
        """Return an object."""
        return await self.run(lambda: _read(self.at(path), path))

    async def find(self, path: str) -> ObjectInfo | None:
        """Return what is known of an object."""
        return await self.run(lambda: _info(self.at(path), path))

    async def remove(self, path: str) -> None:
        """Remove an object; its name may come back after a power cut."""
        await self.run(lambda: _remove(self.at(path)))

    def pages(self, folder: str) -> "_FolderPages":
        """Begin to list."""
        return _FolderPages(self, folder)

    async def close(self) -> None:
        """Let the threads end; one that hangs in the file system is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def at(self, path: str) -> Path:
        """Return where an object is."""
        return self._root.joinpath(path)

    def _put(self, path: str, data: bytes, only_if_absent: bool) -> bool:
        self._make_root()
        return _write(self.at(path), data, only_if_absent, self._root)

    def _make_root(self) -> None:
        """Make the directory once, if the one above it is there: a volume may be missing."""
        if not self._was_there:
            self._root.mkdir(exist_ok=True)
            self._was_there = True

    def _look(self) -> None:
        self._make_root()
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no directory")
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no right to write")

    async def run(self, work: Callable[[], T]) -> T:
        """Do in a thread what waits for the disk.

        Raises:
            AwayError: the file system refused.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as exc:
            known = _REASONS.get(exc.errno or 0, "the shared directory cannot be used")
            raise AwayError(known) from exc


class _FolderPages:
    """A listing of files."""

    def __init__(self, objects: FolderObjects, folder: str) -> None:
        self._objects = objects
        self._infos = _walk(objects.at(folder), folder)
        self._failure: AwayError | None = None
        """A walk that has failed cannot go on, and would look as if it had ended."""

    async def next(self) -> Sequence[ObjectInfo]:
        """Return the next ones."""
        if self._failure is not None:
            raise self._failure
        try:
            return await self._objects.run(lambda: list(islice(self._infos, PAGE)))
        except AwayError as exc:
            self._failure = exc
            raise


def _walk(directory: Path, folder: str) -> Iterator[ObjectInfo]:
    """Yield what is in a directory and those in it; remove what writers left that have died."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - half the time of Path.iterdir
    except FileNotFoundError:
        return  # nothing was put there yet, or it is gone again
    for name in names:
        path, at = f"{folder}/{name}", directory / name
        try:
            status = at.stat()
        except FileNotFoundError:
            continue  # removed meanwhile
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(at, path)
        elif not name.startswith(_UNFINISHED):
            yield _info_of(path, status)
        elif status.st_mtime < time.time() - _FORGOTTEN_S:
            at.unlink(missing_ok=True)


def _write(at: Path, data: bytes, only_if_absent: bool, root: Path) -> bool:
    """Write a file that is there wholly or not at all; False when another one is there."""
    if only_if_absent and at.exists():
        return False  # the usual case of it; whoever comes between here and the link is seen there
    _make_directory(at.parent, root)
    unfinished = at.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if only_if_absent:
            os.link(unfinished, at)
        else:
            unfinished.replace(at)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_names(at.parent)
    return True


def _make_directory(directory: Path, root: Path) -> None:
    """Make a directory below another, which has to be there; its own name survives."""
    if directory == root or directory.is_dir():
        return
    _make_directory(directory.parent, root)
    with contextlib.suppress(FileExistsError):
        directory.mkdir()
    _sync_names(directory.parent)


def _sync_names(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(at: Path, path: str) -> bytes:
    try:
        return at.read_bytes()
    except _NO_FILE as exc:
        raise ObjectMissingError(path) from exc


def _info(at: Path, path: str) -> ObjectInfo | None:
    try:
        status = at.stat()
    except _NO_FILE:
        return None
    return _info_of(path, status) if stat.S_ISREG(status.st_mode) else None


def _remove(at: Path) -> None:
    with contextlib.suppress(*_NO_FILE):
        at.unlink()


def _info_of(path: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
