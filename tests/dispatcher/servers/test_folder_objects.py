"""What a directory has to do by itself to be an object store."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from dispatcher.errors import StartupError, StorageUnavailableError
from dispatcher.servers.folder_objects import FolderObjects, make_folder_objects
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.watch import AwayError
from tests.dispatcher.servers.connecting import given_up, opened
from tests.dispatcher.waiting import until


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


class Disk:
    """Writes down in which order files are synced and get their names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self._sync = os.fsync
        self._link = os.link
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "link", self.link)

    def fsync(self, descriptor: int) -> None:
        self._sync(descriptor)
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.done.append(f"sync {'part' if name.startswith('.part') else name}")

    def link(self, source: Path, target: Path) -> None:
        self._link(source, target)
        self.done.append(f"name {target.name}")


async def test_an_object_is_safe_before_it_has_its_name_and_its_name_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(str(tmp_path / "root")) as store:
        disk = Disk(monkeypatch)
        await store.put("ended/a", b"data", only_if_absent=True)
        monkeypatch.undo()
    assert disk.done == ["sync root", "sync part", "name a", "sync ended"]


async def test_a_full_disk_is_named_and_nothing_half_done_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "as told")

    async with opened(str(tmp_path)) as store:
        await store.put("open/a", b"old")
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(StorageUnavailableError, match="the shared directory is full"):
            await store.put("open/a", b"new")
        monkeypatch.undo()
        assert await store.get("open/a") == b"old"
    assert names_in(tmp_path) == ["a"]


async def test_what_a_writer_left_that_died_is_never_seen_and_goes_after_an_hour(
    tmp_path: Path,
) -> None:
    (tmp_path / "open").mkdir()
    for name in (".part-old", ".part-new"):
        (tmp_path / "open" / name).write_bytes(b"half")
    os.utime(tmp_path / "open" / ".part-old", (time.time() - 4000,) * 2)
    async with opened(str(tmp_path)) as store:
        await store.put("open/a", b"whole")
        assert [info.path async for info in store.list("open")] == ["open/a"]
    assert names_in(tmp_path) == [".part-new", "a"]


async def test_a_listing_that_fails_does_not_look_as_if_it_had_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.servers.folder_objects.PAGE", 2)
    async with opened(str(tmp_path)) as store:
        for number in range(5):
            await store.put(f"open/{number}", b"")
        pages = FolderObjects(tmp_path).pages("open")
        assert len(await pages.next()) == 2
        stat = Path.stat

        def fail(path: Path, **_: bool) -> os.stat_result:
            raise OSError(errno.EIO, "as told")

        monkeypatch.setattr(Path, "stat", fail)
        for _ in range(3):
            with pytest.raises(AwayError):
                await pages.next()
        monkeypatch.setattr(Path, "stat", stat)


async def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = ObjectStore(str(tmp_path / "file" / "below"))
    await store.start()
    await given_up(store, "the shared directory cannot be used")
    await store.close()


async def test_a_disk_that_hangs_takes_no_more_threads_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.servers.objects._DEADLINE_S", 0.3)
    monkeypatch.setattr("dispatcher.servers.objects._WAIT_S", 0.3)
    reader, writer = os.pipe()
    hanging = 0

    def hang(_: int) -> None:
        nonlocal hanging
        hanging += 1
        os.read(reader, 1)

    async with opened(str(tmp_path)) as store:
        monkeypatch.setattr(os, "fsync", hang)
        calls = [store.put(f"open/{number}", b"") for number in range(200)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StorageUnavailableError}
        assert hanging <= 16
        monkeypatch.undo()
        os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("url", ["", "file://", "http://host/path", "gs://bucket", "C:x"])
def test_what_is_neither_a_bucket_nor_a_directory_ends_the_start(url: str) -> None:
    with pytest.raises(StartupError, match="--blob-url"):
        ObjectStore(url)


async def test_a_directory_may_be_written_as_a_url(tmp_path: Path) -> None:
    objects = make_folder_objects(f"file://{tmp_path}")
    await objects.put("a", b"", only_if_absent=False)
    assert names_in(tmp_path) == ["a"]
    await objects.close()


async def test_a_directory_is_made_where_there_is_one_above_it(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path / "objects"))
    await store.start()
    await until(lambda: store.unready() is None)
    assert await store.put("open/a", b"1")
    await store.close()


async def test_what_is_missing_may_be_a_volume_and_is_not_made(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path / "volume" / "objects"))
    await store.start()
    await given_up(store, "the shared directory is gone")
    with pytest.raises(StorageUnavailableError):
        await store.put("open/a", b"1")
    await store.close()
    assert not (tmp_path / "volume").exists()


async def test_a_directory_that_goes_while_it_is_used_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    store = ObjectStore(str(folder))
    await store.start()
    await until(lambda: store.unready() is None)
    folder.rmdir()
    with pytest.raises(StorageUnavailableError):
        await store.put("open/a", b"1")
    await given_up(store, "the shared directory is gone")
    await store.close()
    assert not folder.exists()
