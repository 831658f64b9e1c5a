"""Writes to a table of their own, and a look at what was committed."""

import apsw

from dispatcher.storage.writer import Writer
from dispatcher.storage.writes import Write

PAGE_BYTES = 4096


def make_table(database: apsw.Connection) -> None:
    """Make room for notes."""
    database.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)")


def note(text: str, *, size_bytes: int = 0) -> Write:
    """Return what writes down a text, with so many bytes of nothing."""

    def write(database: apsw.Connection) -> None:
        database.execute("INSERT INTO notes VALUES (?)", (text.ljust(size_bytes),))

    return write


def notes(writer: Writer) -> list[str]:
    """Return what has been committed, in the order in which it was written."""
    return [text.strip() for (text,) in writer.read("SELECT text FROM notes ORDER BY rowid")]


async def fill_up(writer: Writer, *, free_pages: int = 0) -> None:
    """Have SQLite find the disk full once the database has grown by so many pages."""
    await writer.submit(lambda database: _limit(database, free_pages))


async def make_space(writer: Writer) -> None:
    """End that."""
    _limit(connection_of(writer), 1_000_000)


def connection_of(writer: Writer) -> apsw.Connection:
    """Return the connection that writes; between two commits nobody else uses it."""
    connection = writer._writer
    assert connection is not None
    return connection


def commits(writer: Writer) -> list[None]:
    """Return a list that grows by one with every commit."""
    counted: list[None] = []

    def count() -> bool:
        counted.append(None)
        return False

    connection_of(writer).set_commit_hook(count)
    return counted


def _limit(database: apsw.Connection, free_pages: int) -> None:
    pages = database.execute("PRAGMA page_count").get
    assert isinstance(pages, int)
    database.execute(f"PRAGMA max_page_count = {pages + free_pages}")
