"""Opens the database: settings that make a commit safe, its version, its soundness.

APSW brings a current SQLite with it; versions before 3.51.3 can lose commits when a write and a
checkpoint race (https://sqlite.org/wal.html#walresetbug).
"""

from pathlib import Path
from typing import Final

import apsw

from dispatcher.errors import StartupError
from dispatcher.storage.schema import APPLICATION_ID, MIGRATIONS

OLDEST_SQLITE: Final = 3_051_003
_BUSY_TIMEOUT_MS: Final = 5000
_WRITER_BUSY_TIMEOUT_MS: Final = 50
"""Somebody else's lock must not hold up the event loop; the writer tries again by itself."""
_WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""The write-ahead log is cut back to this after a burst."""


def open_writer(path: Path) -> apsw.Connection:
    """Open the one connection that writes; create or migrate the database where needed.

    ``synchronous=FULL``: in WAL mode a commit returns after its log is on stable storage.

    Raises:
        StartupError: the file is damaged, of a newer version, or of something else.
    """
    if apsw.SQLITE_VERSION_NUMBER < OLDEST_SQLITE:
        raise StartupError(f"SQLite {apsw.sqlite_lib_version()} is too old: it can lose commits")
    log = path.with_name(f"{path.name}-wal")
    is_empty = not path.exists() or not path.stat().st_size
    if log.exists() and is_empty:  # SQLite would remove the log and start empty
        raise StartupError(
            f"the database {path} is missing, but its log {log} is there; nothing was changed. "
            "Restore the database, or move the log away to start empty"
        )
    try:
        connection = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        _check(connection, path)
        version = _version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        _migrate(connection, version)
        connection.set_busy_timeout(_WRITER_BUSY_TIMEOUT_MS)
    except apsw.FullError as exc:
        raise StartupError(f"there is no space for the database {path}") from exc
    except (apsw.NotADBError, apsw.CorruptError) as exc:
        raise StartupError(_damage(path, str(exc))) from exc
    except apsw.Error as exc:
        raise StartupError(f"cannot open the database {path}: {exc}") from exc
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Open a connection that reads what has been committed, and never waits for the writer."""
    return _connect(path, apsw.SQLITE_OPEN_READONLY)


def _connect(path: Path, flags: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
    return connection


def _check(connection: apsw.Connection, path: Path) -> None:
    """Find damage now rather than in the middle of a night."""
    found = connection.execute("PRAGMA quick_check(1)").get
    if found != "ok":
        raise StartupError(_damage(path, str(found)))


def _version(connection: apsw.Connection, path: Path) -> int:
    """Return the version of a database that is ours; 0 of one that was just made."""
    application = connection.execute("PRAGMA application_id").get
    is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").get
    if application != APPLICATION_ID and not (is_new and application == 0):
        raise StartupError(f"{path} is the database of another program")
    version = connection.execute("PRAGMA user_version").get
    assert isinstance(version, int)
    if version > len(MIGRATIONS):
        raise StartupError(
            f"{path} was written by a newer version of Conveyor "
            f"(format {version}; this one knows {len(MIGRATIONS)})"
        )
    return version


def _migrate(connection: apsw.Connection, version: int) -> None:
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with connection:
            connection.execute(script)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")


def _damage(path: Path, what: str) -> str:
    return (
        f"the database {path} is damaged ({' '.join(what.split())}); nothing was changed. Restore "
        "a backup, or move it away together with the files beside it to start empty"
    )
