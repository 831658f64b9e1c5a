"""Moves what the write-ahead log holds into the database, beside the commits and not within them.

SQLite would do it within the commit that makes the log long, and that commit would take many times
as long as the others. A passive checkpoint on a connection of its own waits for nobody and lets
nobody wait (https://sqlite.org/c3ref/wal_checkpoint_v2.html). Under constant load it may never
catch up with the log's end; then, now and then, a commit does so after all.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import apsw

_log = logging.getLogger(__name__)

PASSIVE_PAGES: Final = 1000
"""Length of the log at which it is moved beside the commits: 4 MB."""
WITHIN_COMMIT_PAGES: Final = 8000
"""Length at which a commit does it."""
_BUSY_TIMEOUT_MS: Final = 50


class Checkpoints:
    """Runs at most one checkpoint at a time, on a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._connection: apsw.Connection | None = None
        self._is_running = False

    def start(self, writer: apsw.Connection) -> None:
        """Watch the log of the connection that writes."""
        self._connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        self._connection.execute("PRAGMA synchronous = FULL")
        writer.set_wal_hook(self._note_commit)

    def close(self) -> None:
        """Wait for the one that runs, and close."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _note_commit(self, writer: apsw.Connection, _: str, pages: int) -> int:
        """Take note of how long the log is; called on the thread that commits."""
        if pages >= WITHIN_COMMIT_PAGES:
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        elif pages >= PASSIVE_PAGES and not self._is_running:
            self._is_running = True
            self._thread.submit(self._move)
        return apsw.SQLITE_OK

    def _move(self) -> None:
        try:
            if self._connection is not None:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as exc:  # a full disk, say; the log keeps everything
            _log.warning("the log could not be moved into the database: %r", exc)
        finally:
            self._is_running = False
