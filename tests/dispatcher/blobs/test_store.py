"""What a directory adds to the contract: files."""

from pathlib import Path

import pytest

from dispatcher.blobs.store import ObstoreBlobStore
from tests.dispatcher.blobs.holding import EVERY_BYTE, digest_of, is_kept


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def started(directory: Path, *, recent_bytes: int = 1000) -> ObstoreBlobStore:
    store = ObstoreBlobStore(directory, recent_bytes=recent_bytes)
    await store.start()
    return store


async def test_bytes_are_a_file_as_long_as_somebody_holds_them(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    (file,) = files_in(tmp_path)
    assert file.name == digest_of(EVERY_BYTE)
    assert file.read_bytes() == EVERY_BYTE
    await store.release(digest_of(EVERY_BYTE))
    assert files_in(tmp_path) == []
    await store.close()


async def test_what_an_earlier_process_left_is_gone(tmp_path: Path) -> None:
    killed = await started(tmp_path / "blobs")
    await killed.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    stray = tmp_path / "blobs" / "half" / "written"
    stray.parent.mkdir()
    stray.write_bytes(b"stray")
    store = await started(tmp_path / "blobs")
    assert files_in(tmp_path) == []
    assert not await is_kept(store, EVERY_BYTE)
    assert not store.hold(digest_of(EVERY_BYTE))
    assert store.total_bytes() == 0
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert await is_kept(store, EVERY_BYTE)
    await store.close()


async def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    await store.close()
    assert list(tmp_path.iterdir()) == []


async def test_the_directory_beside_it_is_not_touched(tmp_path: Path) -> None:
    neighbour = tmp_path / "topology"
    neighbour.write_text("record")
    store = await started(tmp_path / "deeper" / "blobs")
    await store.close()
    assert neighbour.read_text() == "record"


@pytest.mark.parametrize("size", [249, 250, 251, 1000, 100_000])
async def test_bytes_too_large_for_its_memory_are_read_from_the_file(
    tmp_path: Path, size: int
) -> None:
    store = await started(tmp_path / "blobs", recent_bytes=1000)
    data = b"x" * size
    await store.put(digest_of(data), data)
    assert await is_kept(store, data)
    (file,) = files_in(tmp_path)
    file.write_bytes(b"y" * size)
    is_from_file = await store.get(digest_of(data)) != data
    assert is_from_file == (size > 250), "a quarter of its memory at most for one"
    await store.close()


async def test_its_memory_is_bounded_and_older_bytes_are_read_from_files(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", recent_bytes=1000)
    images = [bytes([number]) * 200 for number in range(20)]
    for image in images:
        await store.put(digest_of(image), image)
    for image in images:
        assert await is_kept(store, image)
    for file in files_in(tmp_path):
        file.unlink()
    assert [await is_kept(store, image) for image in images] == [False] * 15 + [True] * 5
    await store.close()


async def test_bytes_that_are_let_go_are_not_remembered(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    for _ in range(20):
        await store.put(digest_of(b"x" * 200), b"x" * 200)
        await store.release(digest_of(b"x" * 200))
        assert not await is_kept(store, b"x" * 200)
    kept = [bytes([number]) * 200 for number in range(5)]
    for image in kept:
        await store.put(digest_of(image), image)
    for file in files_in(tmp_path):
        file.unlink()
    assert all([await is_kept(store, image) for image in kept]), "the memory is theirs alone"
    await store.close()


async def test_a_disk_that_takes_nothing_leaves_nothing(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_text("no directory")
    with pytest.raises(Exception, match="blobs"):
        await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert not store.hold(digest_of(EVERY_BYTE))
    assert not await is_kept(store, EVERY_BYTE)
    assert store.total_bytes() == 0
    (tmp_path / "blobs").unlink()
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert await is_kept(store, EVERY_BYTE)
    await store.close()


async def test_a_file_that_somebody_took_away_is_missing_and_no_crash(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", recent_bytes=0)
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    for file in files_in(tmp_path):
        file.unlink()
    assert not await is_kept(store, EVERY_BYTE)
    await store.release(digest_of(EVERY_BYTE))
    assert store.total_bytes() == 0
    await store.close()
