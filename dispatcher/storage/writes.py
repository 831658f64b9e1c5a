"""What is written: one piece at a time, done as a whole or not at all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import apsw

Write = Callable[[apsw.Connection], None]
"""Runs statements; what it does is undone as a whole when it raises."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A write that waits for its commit."""

    write: Write
    done: "asyncio.Future[None]"
    is_new_work: bool
    """Whether it may fail for want of space."""


def run_whole(write: Write, database: apsw.Connection) -> None:
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


def fail(entry: Entry, error: BaseException) -> None:
    """Tell whoever waits for a write that it was not done."""
    if not entry.done.done():
        entry.done.set_exception(error)
