"""The one writer: what is asked for while a commit is under way shares the next one.

Statements run on the event loop's thread, some microseconds each; only the commit, which waits
for the disk, runs on a thread of its own. Were statements to run there too, each would have to
wait for the interpreter's lock.

::

    submit, post, submit ─▶ BEGIN, statements ─▶ sync files, COMMIT (thread) ─▶ futures are done
                            submit, post ─────────────────────────────────────▶ next BEGIN …
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import apsw

from dispatcher.crash_points import crash_point
from dispatcher.errors import StartupError, StorageFullError
from dispatcher.storage.checkpoints import Checkpoints
from dispatcher.storage.database import open_reader, open_writer
from dispatcher.storage.reserve import Reserve
from dispatcher.storage.writes import Entry, Write, fail, run_whole

_log = logging.getLogger(__name__)

TakeUnsynced = Callable[[], list[int]]
"""Returns descriptors of files that have to be on stable storage before the next commit.

They are closed afterwards.
"""

DATABASE_NAME: Final = "conveyor.db"
_RETRY_AFTER_S: Final = 10
_PAUSE_S: Final = 1.0
_LINGER_S: Final = 0.02
"""How long a write that nobody waits for may wait for company."""


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
        self._checkpoints = Checkpoints(self._path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._pending: list[Entry] = []
        self._is_busy = False
        """Whether a group is about to begin, or is being committed."""
        self._is_awaited = False
        """Whether somebody waits for what is pending."""
        self._lingering: asyncio.TimerHandle | None = None
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
        self._checkpoints.start(self._writer)
        self._reserve.restore()

    async def close(self) -> None:
        """Commit what is pending, or give it up when that is not possible now, and close."""
        self._is_closing = True
        self._schedule()
        await self._idle.wait()
        self._thread.shutdown()
        self._checkpoints.close()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def sync_before_commit(self, take_unsynced: TakeUnsynced) -> None:
        """Have files synced before each commit that may refer to what was written to them."""
        self._take_unsynced = take_unsynced

    def submit(self, write: Write, *, is_new_work: bool = False) -> "asyncio.Future[None]":
        """Write; the future is done once it is on stable storage.

        What is submitted in one turn of the event loop is committed together.

        Args:
            write: runs the statements, once or, after a failure of others, again.
            is_new_work: whether it may fail for want of space; else it waits until there is some.

        Raises:
            StorageFullError: there is no space for new work.
        """
        assert self._writer is not None, "not started, or closed"
        entry = Entry(write, asyncio.get_running_loop().create_future(), is_new_work)
        # One that nobody waits for and that fails has been logged already.
        entry.done.add_done_callback(lambda f: f.cancelled() or f.exception())
        if is_new_work and not self._reserve.restore():
            fail(entry, StorageFullError(retry_after_s=_RETRY_AFTER_S))
        else:
            self._add(entry)
        return entry.done

    def post(self, write: Write) -> None:
        """Write with the next commit, some milliseconds later at most; nobody waits for it.

        It keeps its place: when what was submitted later is done, so is this.
        """
        assert self._writer is not None, "not started, or closed"
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # One that fails has been logged already.
        done.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._pending.append(Entry(write, done, is_new_work=False))
        self._schedule()

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
            self._add(Entry(lambda _: None, done, is_new_work=True))
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

    def _add(self, entry: Entry) -> None:
        self._pending.append(entry)
        self._is_awaited = True
        self._schedule()

    def _schedule(self, pause_s: float = 0.0) -> None:
        if self._is_busy or not self._pending:
            return
        self._idle.clear()
        loop = asyncio.get_running_loop()
        if not (self._is_awaited or pause_s or self._is_closing):
            if self._lingering is None:
                self._lingering = loop.call_later(_LINGER_S, self._linger_no_more)
            return
        self._is_busy = True
        if pause_s:
            loop.call_later(pause_s, self._begin)
        else:
            loop.call_soon(self._begin)

    def _linger_no_more(self) -> None:
        self._lingering = None
        self._is_awaited = True
        self._schedule()

    def _begin(self) -> None:
        """Run the statements of all that is pending and have them committed."""
        entries, self._pending = self._pending, []
        self._is_awaited = False
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
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

    def _apply(self, entries: list[Entry]) -> list[Entry]:
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
                run_whole(entry.write, writer)
            except (apsw.FullError, apsw.IOError, apsw.CorruptError):
                raise
            except Exception as exc:
                if not writer.in_transaction:  # SQLite has undone all of it
                    raise
                _log.exception("a write failed")
                fail(entry, exc)
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

    def _end(self, group: list[Entry], error: BaseException | None) -> None:
        if error is not None:
            self._settle_failure(group, error)
            return
        for entry in group:
            if not entry.done.done():
                entry.done.set_result(None)
        self._reserve.restore()
        self._rest()

    def _settle_failure(self, group: list[Entry], error: BaseException) -> None:
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

    def _settle_fatal(self, group: list[Entry], error: BaseException | None) -> None:
        """Fail what was asked for: nothing is written after the disk has failed once."""
        for entry in group:
            fail(entry, error or RuntimeError("the database cannot be written"))
        self._rest()

    def _settle_full(self, group: list[Entry], error: apsw.FullError) -> None:
        """Refuse new work, and try again with what has to be kept."""
        had_reserve = self.give_up_reserve()
        kept = []
        for entry in group:
            if entry.is_new_work:
                fail(entry, StorageFullError(retry_after_s=_RETRY_AFTER_S))
            elif not entry.done.done():
                kept.append(entry)
        if had_reserve:
            self._pending = kept + self._pending
            self._rest()
        else:
            self._try_again(kept, error)

    def _try_again(self, group: list[Entry], error: BaseException) -> None:
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
        if not self._pending:
            self._idle.set()
