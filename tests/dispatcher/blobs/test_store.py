"""What a directory adds to the contract: files."""

import asyncio
import random
from pathlib import Path

import pytest

from dispatcher.blobs.store import ObstoreBlobStore
from tests.dispatcher.blobs.holding import EVERY_BYTE, digest_of, hold_and_release, is_kept


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def started(directory: Path, *, memory_bytes: int = 1000) -> ObstoreBlobStore:
    store = ObstoreBlobStore(directory, memory_bytes=memory_bytes)
    await store.start()
    return store


async def test_bytes_are_a_file_as_long_as_somebody_holds_them(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=0)
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    (file,) = files_in(tmp_path)
    assert file.name == digest_of(EVERY_BYTE)
    assert file.read_bytes() == EVERY_BYTE
    await store.release(digest_of(EVERY_BYTE))
    assert files_in(tmp_path) == []
    await store.close()


async def test_what_fits_into_memory_is_never_a_file(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=1000)
    for number in range(5):
        image = bytes([number]) * 200
        await store.put(digest_of(image), image)
    assert files_in(tmp_path) == []
    await store.put(digest_of(b"one more"), b"one more")
    (file,) = files_in(tmp_path)
    assert file.name == digest_of(bytes([0]) * 200), "the oldest goes first"
    await store.close()


async def test_no_bytes_are_bytes_too(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await store.put(digest_of(b""), b"")
    assert await store.get(digest_of(b"")) == b""
    await store.close()


async def test_bytes_let_go_and_put_again_while_they_are_written_leave_no_file_behind(
    tmp_path: Path,
) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=300)
    old, new = b"o" * 200, b"n" * 200
    await store.put(digest_of(old), old)
    writing = asyncio.create_task(store.put(digest_of(new), new))
    await asyncio.sleep(0)  # the old bytes are on their way to a file
    assert await store.get(digest_of(old)) == old
    await store.release(digest_of(old))
    await store.put(digest_of(old), old)
    await writing
    assert await is_kept(store, old)
    assert await is_kept(store, new)
    for image in (old, new):
        await store.release(digest_of(image))
    assert files_in(tmp_path) == []
    assert store.total_bytes() == 0
    await store.close()


@pytest.mark.parametrize("is_same_object", [False, True])
async def test_bytes_that_are_on_their_way_to_a_file_twice_stay_whole(
    tmp_path: Path, is_same_object: bool
) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=300)
    old, new, newest = (bytes([number]) * 200 for number in range(3))
    again = old if is_same_object else bytes(bytearray(old))
    await store.put(digest_of(old), old)
    writing = [asyncio.create_task(store.put(digest_of(new), new))]
    await asyncio.sleep(0)  # the old bytes are on their way to a file
    await store.release(digest_of(old))
    for image in (again, newest):
        writing.append(asyncio.create_task(store.put(digest_of(image), image)))
        await asyncio.sleep(0)
    await asyncio.gather(*writing)
    for image in (old, new, newest):
        assert await is_kept(store, image)
        await store.release(digest_of(image))
    assert files_in(tmp_path) == []
    assert store.total_bytes() == 0
    await store.close()


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_held_is_there_while_files_are_written(tmp_path: Path, seed: int) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=250_000)
    dice = random.Random(seed)
    images = [dice.randbytes(100_000) for _ in range(6)]
    await asyncio.gather(
        *(hold_and_release(store, images, random.Random(100 * seed + n)) for n in range(8))
    )
    assert files_in(tmp_path) == []
    assert store.total_bytes() == 0
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
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - nothing else runs here


async def test_the_directory_beside_it_is_not_touched(tmp_path: Path) -> None:
    neighbour = tmp_path / "topology"
    neighbour.write_text("record")
    store = await started(tmp_path / "deeper" / "blobs")
    await store.close()
    assert neighbour.read_text() == "record"


async def test_bytes_larger_than_its_memory_are_read_from_the_file(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=1000)
    data = b"x" * 100_000
    await store.put(digest_of(data), data)
    (file,) = files_in(tmp_path)
    assert await is_kept(store, data)
    file.write_bytes(b"y" * len(data))
    assert await store.get(digest_of(data)) != data
    await store.close()


async def test_its_memory_is_bounded_and_older_bytes_are_read_from_files(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=1000)
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
    store = await started(tmp_path / "blobs", memory_bytes=100)
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
    store = await started(tmp_path / "blobs", memory_bytes=0)
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    for file in files_in(tmp_path):
        file.unlink()
    assert not await is_kept(store, EVERY_BYTE)
    await store.release(digest_of(EVERY_BYTE))
    assert store.total_bytes() == 0
    await store.close()
