"""The one writer: what is asked for while a commit is under way shares the next one.

Statements run on the event loop's thread, some microseconds each; only the commit, which waits
for the disk, runs on a thread of its own. Were statements to run there too, each would have to
wait for the interpreter's lock.

::

    submit, submit, submit ─▶ BEGIN, statements ─▶ sync files, COMMIT (thread) ─▶ futures are done
                              submit, submit ─────────────────────────────────▶ next BEGIN …
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from dispatcher.crash_points import crash_point
from dispatcher.errors import StartupError, StorageFullError
from dispatcher.storage.database import open_reader, open_writer
from dispatcher.storage.reserve import Reserve

_log = logging.getLogger(__name__)

Write = Callable[[apsw.Connection], None]
"""Runs statements; what it does is undone as a whole when it raises."""
TakeUnsynced = Callable[[], list[int]]
"""Returns descriptors of files that have to be on stable storage before the next commit.

They are closed afterwards.
"""

DATABASE_NAME: Final = "conveyor.db"
_RETRY_AFTER_S: Final = 10
_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    write: Write
    done: "asyncio.Future[None]"
    is_new_work: bool


class Writer:
    """Writes to the database in the order in which it is asked."""

    def __init__(self, directory: Path, *, beside: Path | None = None) -> None:
        """Write to the database in a directory.

        Args:
            directory: where it is, or will be made.
            beside: a folder whose files mean nothing without the database.
        """
        self._path = directory / DATABASE_NAME
        self._beside = beside
        self._reserve = Reserve(directory / "reserve")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._pending: list[_Entry] = []
        self._is_busy = False
        """Whether a group is about to begin, or is being committed."""
        self._is_closing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._take_unsynced: TakeUnsynced = list
        self._failure: asyncio.Future[None] | None = None
        self._writer: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None

    async def start(self) -> None:
        """Open the database.

        Raises:
            StartupError: it cannot be used, or what belongs to one is there without it.
        """
        if self._writer is not None:
            return
        if not self._path.exists() and self._beside is not None and any(self._beside.glob("*")):
            raise StartupError(
                f"the database {self._path} is missing, but {self._beside} has files that belong "
                "to it; nothing was changed. Restore the database, or move them away to start empty"
            )
        self._failure = asyncio.get_running_loop().create_future()
        self._writer = open_writer(self._path)
        self._reader = open_reader(self._path)
        self._reserve.restore()

    async def close(self) -> None:
        """Commit what is pending, or give it up when that is not possible now, and close."""
        self._is_closing = True
        await self._idle.wait()
        self._thread.shutdown()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def sync_before_commit(self, take_unsynced: TakeUnsynced) -> None:
        """Have files synced before each commit that may refer to what was written to them."""
        self._take_unsynced = take_unsynced

    def submit(self, write: Write, *, is_new_work: bool = False) -> "asyncio.Future[None]":
        """Write; the future is done once it is on stable storage.

        What is submitted in one turn of the event loop is committed together. Whoever does not
        wait for the future still has the order: when a later one is done, so is this.

        Args:
            write: runs the statements, once or, after a failure of others, again.
            is_new_work: whether it may fail for want of space; else it waits until there is some.

        Raises:
            StorageFullError: there is no space for new work.
        """
        assert self._writer is not None, "not started, or closed"
        entry = _Entry(write, asyncio.get_running_loop().create_future(), is_new_work)
        # One that nobody waits for and that fails has been logged already.
        entry.done.add_done_callback(lambda f: f.cancelled() or f.exception())
        if is_new_work and not self._reserve.restore():
            _fail(entry, StorageFullError(retry_after_s=_RETRY_AFTER_S))
        else:
            self._add(entry)
        return entry.done

    def require_space(self) -> None:
        """Return when new work may be kept.

        Raises:
            StorageFullError: the disk was full just now; what is left is for what was accepted.
        """
        if not self._reserve.restore():
            raise StorageFullError(retry_after_s=_RETRY_AFTER_S)

    def give_up_reserve(self) -> bool:
        """Free some space, so that what was accepted can be finished; False when there is none."""
        is_freed = self._reserve.give_up()
        if is_freed:
            _log.error("the disk is full; the reserve is used to finish what was accepted")
        return is_freed

    async def catch_up(self) -> None:
        """Wait until what was submitted so far can be read.

        Raises:
            StorageFullError: the disk is full, so that it cannot yet.
        """
        if self._pending or self._is_busy:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._add(_Entry(lambda _: None, done, is_new_work=True))
            await done

    def read(self, statement: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return rows of what has been committed."""
        assert self._reader is not None, "not started"
        return list(self._reader.execute(statement, bindings))

    def size_bytes(self) -> int:
        """Return the size of the database on disk."""
        paths = (self._path, self._path.with_name(f"{DATABASE_NAME}-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    async def watch(self) -> None:
        """Wait for as long as writing works.

        Raises:
            apsw.Error: the disk failed. What was written last may be lost or not, and asking
                again would not tell, so the service has to end and start from what is there.
        """
        assert self._failure is not None, "not started"
        await asyncio.shield(self._failure)

    def _add(self, entry: _Entry) -> None:
        self._pending.append(entry)
        self._schedule()

    def _schedule(self, pause_s: float = 0.0) -> None:
        if self._is_busy or not self._pending:
            return
        self._is_busy = True
        self._idle.clear()
        loop = asyncio.get_running_loop()
        if pause_s:
            loop.call_later(pause_s, self._begin)
        else:
            loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Run the statements of all that is pending and have them committed."""
        entries, self._pending = self._pending, []
        if self._failure is not None and self._failure.done():
            self._settle_fatal(entries, self._failure.exception())
            return
        try:
            group = self._apply(entries)
        except Exception as exc:
            self._settle_failure(entries, exc)
            return
        try:
            unsynced = self._take_unsynced()
        except OSError as exc:  # too many open files, say; nothing was written so far
            self._roll_back()
            self._try_again(group, exc)
            return
        loop = asyncio.get_running_loop()
        committing = loop.run_in_executor(self._thread, self._commit, unsynced)
        committing.add_done_callback(lambda done: self._end(group, done.exception()))

    def _apply(self, entries: list[_Entry]) -> list[_Entry]:
        """Run statements in a new transaction; return the entries that did not fail alone.

        Raises:
            Exception: the whole transaction failed.
        """
        writer = self._writer
        assert writer is not None, "not started"
        writer.execute("BEGIN IMMEDIATE")
        group = []
        for entry in entries:
            try:
                _run_whole(entry.write, writer)
            except (apsw.FullError, apsw.IOError, apsw.CorruptError):
                raise
            except Exception as exc:
                if not writer.in_transaction:  # SQLite has undone all of it
                    raise
                _log.exception("a write failed")
                _fail(entry, exc)
            else:
                group.append(entry)
        return group

    def _commit(self, unsynced: list[int]) -> None:
        """Make the transaction safe; runs on the commit thread."""
        try:
            for descriptor in unsynced:
                os.fdatasync(descriptor)
        finally:
            for descriptor in unsynced:
                os.close(descriptor)
        assert self._writer is not None
        crash_point("before_commit")
        self._writer.execute("COMMIT")

    def _end(self, group: list[_Entry], error: BaseException | None) -> None:
        if error is not None:
            self._settle_failure(group, error)
            return
        for entry in group:
            if not entry.done.done():
                entry.done.set_result(None)
        self._reserve.restore()
        self._rest()

    def _settle_failure(self, group: list[_Entry], error: BaseException) -> None:
        self._roll_back()
        if isinstance(error, apsw.FullError):
            self._settle_full(group, error)
        elif isinstance(error, apsw.BusyError):
            self._try_again(group, error)
        else:
            _log.critical("the database cannot be written: %r", error)
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(error)
                self._failure.exception()  # nobody may be watching
            self._settle_fatal(group, error)

    def _settle_fatal(self, group: list[_Entry], error: BaseException | None) -> None:
        """Fail what was asked for: nothing is written after the disk has failed once."""
        for entry in group:
            _fail(entry, error or RuntimeError("the database cannot be written"))
        self._rest()

    def _settle_full(self, group: list[_Entry], error: apsw.FullError) -> None:
        """Refuse new work, and try again with what has to be kept."""
        had_reserve = self.give_up_reserve()
        kept = []
        for entry in group:
            if entry.is_new_work:
                _fail(entry, StorageFullError(retry_after_s=_RETRY_AFTER_S))
            elif not entry.done.done():
                kept.append(entry)
        if had_reserve:
            self._pending = kept + self._pending
            self._rest()
        else:
            self._try_again(kept, error)

    def _try_again(self, group: list[_Entry], error: BaseException) -> None:
        """Write this in a moment; when the writer is being closed, not at all."""
        if group:
            _log.warning("%d writes have to wait: %r", len(group), error)
        if self._is_closing:
            self._settle_fatal(group, error)
            return
        self._pending = group + self._pending
        self._rest(_PAUSE_S)

    def _roll_back(self) -> None:
        """Undo the transaction, unless SQLite has; what is wrong then shows at the next BEGIN."""
        assert self._writer is not None
        with contextlib.suppress(apsw.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _rest(self, pause_s: float = 0.0) -> None:
        self._is_busy = False
        self._schedule(pause_s)
        if not self._is_busy:
            self._idle.set()


def _run_whole(write: Write, database: apsw.Connection) -> None:
    """Run a write within the transaction; undo it when it raises.

    Not with APSW's context manager: when SQLite has undone the whole transaction, as on a full
    disk, that would hide the reason behind the savepoint which is gone.
    """
    database.execute("SAVEPOINT entry")
    try:
        write(database)
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK TO entry")
            database.execute("RELEASE entry")
        raise
    database.execute("RELEASE entry")


def _fail(entry: _Entry, error: BaseException) -> None:
    if not entry.done.done():
        entry.done.set_exception(error)
