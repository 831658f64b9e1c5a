import os
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from dispatcher.errors import StartupError
from dispatcher.storage.database import open_writer
from dispatcher.storage.schema import APPLICATION_ID, MIGRATIONS
from dispatcher.storage.writer import DATABASE_NAME

PAGE = 4096
JOBS = 400


def insert(database: apsw.Connection, numbers: range) -> None:
    for number in numbers:
        database.execute(
            "INSERT INTO jobs (id, tenant, state, is_hit, document) VALUES (?, '', 'queued', 0, ?)",
            (f"job-{number:04}", b"x" * 500),
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with some hundred jobs, closed properly."""
    path = tmp_path / DATABASE_NAME
    database = open_writer(path)
    with database:
        insert(database, range(JOBS))
    database.close()
    return path


@pytest.fixture
def killed(tmp_path: Path, path: Path) -> Path:
    """The same database as a killed process leaves it: half of it is in the write-ahead log."""
    database = open_writer(path)
    insert(database, range(JOBS, JOBS + 50))
    folder = tmp_path / "killed"
    folder.mkdir()
    for file in tmp_path.glob(f"{DATABASE_NAME}*"):
        shutil.copy(file, folder)
    database.close()
    return folder / DATABASE_NAME


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def count_jobs(path: Path) -> int:
    database = open_writer(path)
    try:
        count = database.execute("SELECT count(*) FROM jobs").get
    finally:
        database.close()
    assert isinstance(count, int)
    return count


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a page in the middle": lambda path: overwrite(path, 20 * PAGE, os.urandom(PAGE)),
    "the first page": lambda path: overwrite(path, 100, os.urandom(PAGE - 100)),
    "the header": lambda path: overwrite(path, 0, b"this is no database at all"),
    "the second half": lambda path: os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found_at_the_start_and_nothing_is_changed(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StartupError, match="is damaged") as refusal:
        open_writer(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


def test_a_log_that_a_killed_process_left_is_taken_up(killed: Path) -> None:
    assert wal_of(killed).stat().st_size > 50 * PAGE
    assert count_jobs(killed) == JOBS + 50


def test_a_lost_index_of_the_log_is_made_anew(killed: Path) -> None:
    killed.with_name(f"{killed.name}-shm").unlink()
    assert count_jobs(killed) == JOBS + 50


def test_what_is_whole_of_a_log_that_was_cut_off_is_taken_up(killed: Path) -> None:
    """Nobody can tell a log that was cut off from one that was never written further."""
    os.truncate(wal_of(killed), wal_of(killed).stat().st_size - 10 * PAGE)
    assert JOBS < count_jobs(killed) < JOBS + 50


def test_a_log_without_its_database_is_not_taken_for_a_fresh_start(killed: Path) -> None:
    killed.unlink()
    with pytest.raises(StartupError, match="missing"):
        open_writer(killed)
    assert wal_of(killed).stat().st_size > 50 * PAGE


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    database = apsw.Connection(str(path))
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StartupError, match="newer version"):
        open_writer(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_NAME
    database = apsw.Connection(str(path))
    database.execute("PRAGMA application_id = 42")
    database.close()
    with pytest.raises(StartupError, match="another program"):
        open_writer(path)


def test_a_database_of_an_older_version_is_migrated_with_what_it_has(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = (*MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT")
    monkeypatch.setattr("dispatcher.storage.database.MIGRATIONS", later)
    database = open_writer(path)
    try:
        assert database.execute("SELECT count(*), count(colour) FROM jobs").get == (JOBS, 0)
        assert database.execute("PRAGMA user_version").get == len(later)
        assert database.execute("PRAGMA application_id").get == APPLICATION_ID
    finally:
        database.close()


def test_a_migration_that_fails_leaves_the_older_version(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = (*MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT; SELECT nonsense")
    monkeypatch.setattr("dispatcher.storage.database.MIGRATIONS", later)
    with pytest.raises(StartupError, match="nonsense"):
        open_writer(path)
    monkeypatch.undo()
    assert count_jobs(path) == JOBS
