"""What is opened, and how; damage and versions are in tests/durability/test_damage.py."""

from pathlib import Path

import apsw
import pytest

from dispatcher.errors import StartupError
from dispatcher.storage.database import OLDEST_SQLITE, open_reader, open_writer
from dispatcher.storage.schema import APPLICATION_ID, MIGRATIONS
from dispatcher.storage.writer import DATABASE_NAME, Writer
from tests.dispatcher.storage.writing import connection_of

FULL = 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / DATABASE_NAME


def ask(connection: apsw.Connection, pragma: str) -> object:
    return connection.execute(f"PRAGMA {pragma}").get


async def test_a_commit_of_the_writer_is_on_stable_storage(writer: Writer) -> None:
    connection = connection_of(writer)
    assert ask(connection, "journal_mode") == "wal"
    assert ask(connection, "synchronous") == FULL


def test_a_new_database_says_whose_it_is(path: Path) -> None:
    with open_writer(path) as connection:
        assert ask(connection, "application_id") == APPLICATION_ID
        assert ask(connection, "user_version") == len(MIGRATIONS)
    connection.close()


def test_opening_again_changes_no_version(path: Path) -> None:
    for _ in range(2):
        connection = open_writer(path)
        assert ask(connection, "user_version") == len(MIGRATIONS)
        connection.close()


def test_the_sqlite_in_use_loses_no_commits() -> None:
    assert apsw.SQLITE_VERSION_NUMBER >= OLDEST_SQLITE >= 3_051_003


def test_an_older_sqlite_is_refused_before_it_touches_anything(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "SQLITE_VERSION_NUMBER", OLDEST_SQLITE - 1)
    with pytest.raises(StartupError, match="too old"):
        open_writer(path)
    assert not path.exists()


@pytest.mark.parametrize("marking", ["application_id = 42", "user_version = 0"])
def test_the_database_of_another_program_is_left_as_it_is(path: Path, marking: str) -> None:
    with apsw.Connection(str(path)) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
        other.execute(f"PRAGMA {marking}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StartupError, match="another program"):
        open_writer(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_database_that_was_cut_to_nothing_is_not_taken_for_a_fresh_start(path: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    path.touch()
    log.write_bytes(b"the log of better days")
    with pytest.raises(StartupError, match="missing"):
        open_writer(path)
    assert log.read_bytes() == b"the log of better days"


def test_a_folder_in_its_place_is_told_in_one_line(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StartupError) as refusal:
        open_writer(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_reader_sees_what_was_committed_and_cannot_write(path: Path) -> None:
    writer, reader = open_writer(path), open_reader(path)
    writer.execute("INSERT INTO gone (id) VALUES ('a')")
    assert reader.execute("SELECT id FROM gone").get == "a"
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM gone")
    reader.close()
    writer.close()
