import asyncio
import os
import threading
from pathlib import Path

import apsw
import pytest

from dispatcher.errors import StartupError
from dispatcher.storage.writer import DATABASE_NAME, Writer
from tests.dispatcher.storage.writing import commits, connection_of, make_table, note, notes
from tests.dispatcher.waiting import turns, until


def fail(_: apsw.Connection) -> None:
    raise ValueError("this one is wrong")


def hold_commits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have each commit wait on its thread until the event is set."""
    goes_on = threading.Event()

    def wait(_: str) -> None:
        assert goes_on.wait(timeout=10)

    monkeypatch.setattr("dispatcher.storage.writer.crash_point", wait)
    return goes_on


# Order and groups


async def test_what_is_done_can_be_read(writer: Writer) -> None:
    await writer.submit(note("a"))
    assert notes(writer) == ["a"]


async def test_writes_are_made_in_the_order_in_which_they_were_asked_for(writer: Writer) -> None:
    for number in range(50):
        writer.submit(note(str(number)))
        if number % 7 == 0:
            await turns(number % 5)
    await writer.catch_up()
    assert notes(writer) == [str(number) for number in range(50)]


async def test_a_later_write_that_is_done_tells_that_earlier_ones_are(writer: Writer) -> None:
    earlier = [writer.submit(note(str(number))) for number in range(5)]
    await turns(1)
    await writer.submit(note("later"))
    assert all(write.done() for write in earlier)


async def test_what_is_asked_for_in_one_turn_is_committed_at_once(writer: Writer) -> None:
    counted = commits(writer)
    await asyncio.gather(*(writer.submit(note(str(number))) for number in range(100)))
    assert len(counted) == 1
    assert len(notes(writer)) == 100


async def test_what_comes_during_a_commit_shares_the_next_one(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, goes_on = commits(writer), hold_commits(monkeypatch)
    first = writer.submit(note("first"))
    await turns(3)
    others = []
    for number in range(10):
        others.append(writer.submit(note(str(number))))
        await turns(1)
    assert not counted, "the first is not committed yet"
    goes_on.set()
    await asyncio.gather(first, *others)
    assert len(counted) == 2


async def test_nothing_can_be_read_before_it_is_committed(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = hold_commits(monkeypatch)
    done = writer.submit(note("a"))
    await turns(5)
    assert notes(writer) == []
    assert not done.done()
    goes_on.set()
    await done
    assert notes(writer) == ["a"]


async def test_the_loop_turns_while_a_commit_waits_for_the_disk(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = hold_commits(monkeypatch)
    done = writer.submit(note("a"))
    await turns(100)
    assert not done.done()
    goes_on.set()
    await done


async def test_catching_up_with_nothing_writes_nothing(writer: Writer) -> None:
    counted = commits(writer)
    await writer.catch_up()
    assert not counted


async def test_one_who_is_stopped_while_it_waits_has_written_all_the_same(writer: Writer) -> None:
    async def write() -> None:
        await writer.submit(note("a"))

    writing = asyncio.create_task(write())
    await turns(1)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await writer.submit(note("b"))
    assert notes(writer) == ["a", "b"]


# A write that fails alone


async def test_a_write_that_fails_is_undone_alone(writer: Writer) -> None:
    def fail_halfway(database: apsw.Connection) -> None:
        note("half")(database)
        fail(database)

    before, wrong, after = (writer.submit(w) for w in (note("a"), fail_halfway, note("b")))
    with pytest.raises(ValueError, match="wrong"):
        await wrong
    await asyncio.gather(before, after)
    assert notes(writer) == ["a", "b"]


async def test_a_statement_that_sqlite_refuses_is_undone_alone(writer: Writer) -> None:
    def insert_twice(database: apsw.Connection) -> None:
        database.execute("INSERT INTO gone (place, id) VALUES (1, 'x'), (1, 'y')")

    wrong, right = writer.submit(insert_twice), writer.submit(note("a"))
    with pytest.raises(apsw.ConstraintError):
        await wrong
    await right
    assert notes(writer) == ["a"]


async def test_a_failure_that_nobody_waits_for_stops_nothing(writer: Writer) -> None:
    writer.submit(fail)
    await writer.submit(note("a"))
    assert notes(writer) == ["a"]


# Files that belong to a commit


async def test_files_are_synced_before_the_commit_and_closed(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    descriptor = os.open(tmp_path / "pack", os.O_CREAT | os.O_WRONLY)
    sync = os.fdatasync

    def fdatasync(synced: int) -> None:
        steps.append("sync" if synced == descriptor else "other")
        sync(synced)

    def commit() -> bool:
        steps.append("commit")
        return False

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    connection_of(writer).set_commit_hook(commit)
    taken = [[descriptor], []]
    writer.sync_before_commit(lambda: taken.pop(0))
    await writer.submit(note("a"))
    await writer.submit(note("b"))
    assert steps == ["sync", "commit", "commit"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_what_a_file_was_not_synced_for_is_not_committed(
    writer: Writer, tmp_path: Path
) -> None:
    reading, unsyncable = os.pipe()
    other = os.open(tmp_path / "pack", os.O_CREAT | os.O_WRONLY)
    writer.sync_before_commit(lambda: [unsyncable, other])
    watching = asyncio.create_task(writer.watch())
    with pytest.raises(OSError, match="Invalid argument"):
        await writer.submit(note("a"))
    with pytest.raises(OSError, match="Invalid argument"):
        await watching
    for descriptor in (unsyncable, other):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    os.close(reading)
    assert notes(writer) == []


async def test_too_many_open_files_only_delay_a_commit(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.001)
    failures = [OSError(24, "Too many open files")] * 3

    def take() -> list[int]:
        if failures:
            raise failures.pop()
        return []

    writer.sync_before_commit(take)
    await writer.submit(note("a"), is_new_work=True)
    assert not failures
    assert notes(writer) == ["a"]


# Locks and failures


async def test_a_write_waits_while_somebody_else_locks_the_database(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.001)
    other = apsw.Connection(str(tmp_path / DATABASE_NAME))
    other.execute("BEGIN IMMEDIATE")
    done = writer.submit(note("a"))
    await turns(5)
    assert not done.done()
    other.execute("COMMIT")
    await done
    assert notes(writer) == ["a"]
    other.close()


def break_disk(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next commit fail as on a broken disk."""

    def commit(_: str) -> None:
        raise apsw.IOError("disk I/O error")

    monkeypatch.setattr("dispatcher.storage.writer.crash_point", commit)


async def test_watching_ends_with_the_first_failure_of_the_disk(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = asyncio.create_task(writer.watch())
    await writer.submit(note("a"))
    assert not watching.done()
    break_disk(writer, monkeypatch)
    with pytest.raises(apsw.IOError):
        await writer.submit(note("b"))
    with pytest.raises(apsw.IOError):
        await watching


async def test_nothing_is_written_after_the_disk_has_failed_once(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_disk(writer, monkeypatch)
    failed = [writer.submit(note("a")), writer.submit(note("b"), is_new_work=True)]
    await asyncio.wait(failed)
    monkeypatch.undo()
    failed.append(writer.submit(note("c")))
    for write in failed:
        with pytest.raises(apsw.IOError):
            await write
    assert notes(writer) == []


async def test_a_failure_without_anything_to_roll_back_ends_the_service_too(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(_: str) -> None:
        connection_of(writer).execute("COMMIT")
        raise apsw.IOError("it was committed, but nobody was told")

    monkeypatch.setattr("dispatcher.storage.writer.crash_point", commit)
    with pytest.raises(apsw.IOError):
        await writer.submit(note("a"))
    with pytest.raises(apsw.IOError):
        await writer.watch()


# The end


async def test_closing_commits_what_is_pending(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    await writer.start()
    writer.submit(make_table)
    for number in range(3):
        writer.submit(note(str(number)))
        await turns(1)
    await writer.close()
    again = Writer(tmp_path)
    await again.start()
    assert notes(again) == ["0", "1", "2"]
    await again.close()


async def test_closing_does_not_wait_for_somebody_elses_lock(
    writer: Writer, tmp_path: Path
) -> None:
    other = apsw.Connection(str(tmp_path / DATABASE_NAME))
    other.execute("BEGIN IMMEDIATE")
    done = writer.submit(note("a"))
    async with asyncio.timeout(5):
        await writer.close()
    with pytest.raises(apsw.BusyError):
        await done
    other.close()


async def test_nothing_can_be_asked_for_once_it_is_closed(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    await writer.start()
    await writer.close()
    with pytest.raises(AssertionError):
        writer.submit(note("a"))


async def test_a_database_that_is_missing_is_not_made_beside_files_that_belong_to_it(
    tmp_path: Path,
) -> None:
    beside = tmp_path / "blobs"
    beside.mkdir()
    first = Writer(tmp_path, beside=beside)
    await first.start()
    await first.close()
    (beside / "000001.pack").write_bytes(b"image")
    again = Writer(tmp_path, beside=beside)
    await again.start()
    await again.close()
    (tmp_path / DATABASE_NAME).unlink()
    for _ in range(2):
        with pytest.raises(StartupError, match="is missing"):
            await Writer(tmp_path, beside=beside).start()


async def test_the_size_is_that_of_database_and_log(writer: Writer) -> None:
    before = writer.size_bytes()
    await writer.submit(note("a", size_bytes=1_000_000))
    await until(lambda: writer.size_bytes() > before + 1_000_000)
