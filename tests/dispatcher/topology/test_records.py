"""Records as real files, written, damaged and watched."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatcher.topology.configmap import StepRecord, parse, render
from dispatcher.topology.records import RecordDirectory
from tests.dispatcher.topology.test_configmap import make_record
from tests.dispatcher.waiting import until

WITHIN_S = 5.0
"""What every discovery promises."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "topology"


@pytest.fixture
def records(folder: Path) -> RecordDirectory:
    return RecordDirectory(folder)


class Watcher:
    """Follows the snapshots like a dispatcher does: at once, one after the other."""

    def __init__(self) -> None:
        self.seen: list[list[StepRecord]] = []

    async def follow(self, snapshots: AsyncIterator[Sequence[StepRecord]]) -> None:
        async for snapshot in snapshots:
            self.seen.append(list(snapshot))

    async def until(self, *expected: StepRecord, within_s: float = WITHIN_S) -> None:
        await until(lambda: self.seen and self.seen[-1] == list(expected), within_s=within_s)


@asynccontextmanager
async def watching(records: RecordDirectory) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    following = asyncio.create_task(watcher.follow(records.snapshots()))
    yield watcher
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


@pytest.fixture
def relist_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is read and not of when it is noticed."""
    monkeypatch.setattr("dispatcher.topology.records._RELIST_MS", 100)


def path_of(folder: Path, record: StepRecord) -> Path:
    return folder / f"{record.name}.yaml"


def test_there_are_no_records_before_there_is_a_directory(records: RecordDirectory) -> None:
    assert records.read_all() == []


def test_what_is_written_is_read(records: RecordDirectory, folder: Path) -> None:
    first, second = make_record("0"), make_record("1")
    records.write(second)
    records.write(first)
    assert records.read_all() == [first, second]
    assert sorted(path.name for path in folder.iterdir()) == [
        "default-step-0.yaml",
        "default-step-1.yaml",
    ]


def test_a_record_takes_the_place_of_the_older_one(records: RecordDirectory) -> None:
    records.write(make_record(replicas=1))
    records.write(make_record(replicas=5))
    assert [record.replicas for record in records.read_all()] == [5]


def test_a_removed_record_is_gone(records: RecordDirectory) -> None:
    record = make_record()
    records.write(record)
    records.remove(record)
    records.remove(record)
    assert records.read_all() == []


def test_a_record_that_cannot_be_written_leaves_the_older_one_and_nothing_else(
    records: RecordDirectory, folder: Path
) -> None:
    good = make_record()
    records.write(good)
    path_of(folder, make_record("1")).mkdir()
    with pytest.raises(OSError, match="directory"):
        records.write(make_record("1"))
    assert records.read_all() == [good]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [b"", b"[", b"{}", b"\xff\xfe", b"\x00", b"[" * 100_000, b"a: &a [*a]", b"x: .inf"],
    ids=lambda damage: ascii(damage[:12]),
)
def test_a_record_that_is_damaged_keeps_its_last_good_version(
    records: RecordDirectory, folder: Path, damage: bytes
) -> None:
    good, other = make_record("0"), make_record("1")
    records.write(good)
    records.write(other)
    assert records.read_all() == [good, other]
    for _ in range(3):
        path_of(folder, good).write_bytes(damage)
        assert records.read_all() == [good, other]
    repaired = make_record("0", replicas=7)
    records.write(repaired)
    assert records.read_all() == [repaired, other]


def test_a_record_that_was_never_good_is_not_used(records: RecordDirectory, folder: Path) -> None:
    good = make_record("0")
    records.write(good)
    path_of(folder, make_record("1")).write_text("no: record")
    assert records.read_all() == [good]


def test_a_record_that_was_removed_has_no_last_good_version(
    records: RecordDirectory, folder: Path
) -> None:
    record = make_record()
    records.write(record)
    records.read_all()
    records.remove(record)
    records.read_all()
    path_of(folder, record).write_text("no: record")
    assert records.read_all() == []


def test_a_copy_of_a_record_is_no_record(records: RecordDirectory, folder: Path) -> None:
    record = make_record()
    records.write(record)
    (folder / "copy.yaml").write_text(render(make_record(replicas=9)))
    assert records.read_all() == [record]


def test_only_yaml_files_are_records(records: RecordDirectory, folder: Path) -> None:
    record = make_record()
    records.write(record)
    (folder / "folder.yaml").mkdir()
    (folder / "notes.txt").write_text("no record")
    (folder / ".hidden.tmp").write_text(render(make_record("1")))
    assert records.read_all() == [record]


def test_only_what_changed_is_read_again(
    records: RecordDirectory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write(make_record("0"))
    path_of(folder, make_record("1")).write_text(render(make_record("1")))
    read: list[str] = []

    def counted(text: str) -> StepRecord:
        record = parse(text)
        read.append(record.key.step_id)
        return record

    monkeypatch.setattr("dispatcher.topology.records.parse", counted)
    for _ in range(3):
        assert records.read_all() == [make_record("0"), make_record("1")]
    assert read == ["1"], "what was written here is known"
    path_of(folder, make_record("0")).write_text(render(make_record("0", replicas=7)))
    assert [record.replicas for record in records.read_all()] == [7, 2]
    assert read == ["1", "0"]


def test_a_record_that_could_not_be_read_is_read_again(
    records: RecordDirectory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record()
    path_of(folder, record).parent.mkdir()
    path_of(folder, record).write_text(render(record))
    with monkeypatch.context() as patch:
        patch.setattr("dispatcher.topology.records.parse", refuse_files)
        assert records.read_all() == []
    assert records.read_all() == [record]


def refuse_files(_: str) -> StepRecord:
    raise OSError(24, "Too many open files")


# Watching


async def test_the_first_snapshot_comes_at_once(records: RecordDirectory) -> None:
    record = make_record()
    records.write(record)
    async with watching(records) as watcher:
        await watcher.until(record, within_s=1)
        assert len(watcher.seen) == 1


async def test_each_change_is_followed_by_a_complete_snapshot(
    records: RecordDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.topology.records._RELIST_MS", 600_000)  # the watch alone
    first, second = make_record("0"), make_record("1")
    async with watching(records) as watcher:
        await watcher.until()
        records.write(first)  # perhaps before the watch began: then reading again finds it
        await watcher.until(first)
        records.write(second)
        await watcher.until(first, second, within_s=20)
        more = make_record("0", replicas=7)
        records.write(more)
        await watcher.until(more, second, within_s=20)
        records.remove(second)
        await watcher.until(more, within_s=20)


@pytest.mark.usefixtures("relist_often")
async def test_a_damaged_record_never_empties_the_set_while_it_is_watched(
    records: RecordDirectory, folder: Path
) -> None:
    good, other = make_record("0"), make_record("1")
    records.write(good)
    async with watching(records) as watcher:
        await watcher.until(good)
        path_of(folder, good).write_text("broken: [")
        records.write(other)
        await watcher.until(good, other)
        assert all(good in snapshot for snapshot in watcher.seen)


@pytest.mark.usefixtures("relist_often")
async def test_another_process_that_writes_is_noticed(
    records: RecordDirectory, folder: Path
) -> None:
    record = make_record()
    async with watching(records) as watcher:
        await watcher.until()
        RecordDirectory(folder).write(record)
        await watcher.until(record)
