"""The log is moved into the database beside the commits."""

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from dispatcher.storage import checkpoints
from dispatcher.storage.writer import DATABASE_NAME, Writer
from tests.dispatcher.waiting import until

ROW_BYTES = 4000


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    made = Writer(tmp_path)
    await made.start()
    yield made
    await made.close()


async def fill(writer: Writer, rows: int) -> None:
    """Make the log longer by at least so many pages."""

    def write(database: apsw.Connection) -> None:
        database.execute("CREATE TABLE IF NOT EXISTS filler (data BLOB)")
        rows_of_bytes = [(b"x" * ROW_BYTES,) for _ in range(rows)]
        database.executemany("INSERT INTO filler VALUES (?)", rows_of_bytes)

    await writer.submit(write)


def database_pages(folder: Path) -> int:
    """How many pages the database has, without its log."""
    return (folder / DATABASE_NAME).stat().st_size // 4096


async def test_a_long_log_is_moved_into_the_database(writer: Writer, tmp_path: Path) -> None:
    await fill(writer, 100)
    assert database_pages(tmp_path) < 100
    await fill(writer, checkpoints.PASSIVE_PAGES)
    await until(lambda: database_pages(tmp_path) > checkpoints.PASSIVE_PAGES)
    assert writer.read("SELECT count(*) FROM filler") == [(100 + checkpoints.PASSIVE_PAGES,)]


async def test_commits_go_on_while_it_is_moved_and_nothing_is_lost(
    writer: Writer, tmp_path: Path
) -> None:
    for _ in range(30):
        await fill(writer, 100)
    await until(lambda: database_pages(tmp_path) > checkpoints.PASSIVE_PAGES)
    assert writer.read("SELECT count(*) FROM filler") == [(3000,)]
    assert writer.read("PRAGMA integrity_check") == [("ok",)]


async def test_a_log_that_nobody_catches_up_with_is_moved_by_a_commit(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PASSIVE_PAGES", 10**9)
    monkeypatch.setattr(checkpoints, "WITHIN_COMMIT_PAGES", 300)
    await fill(writer, 400)
    assert database_pages(tmp_path) > 300


async def test_after_the_end_there_is_no_log(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    await writer.start()
    await fill(writer, 2000)
    await writer.close()
    assert not (tmp_path / f"{DATABASE_NAME}-wal").exists()
