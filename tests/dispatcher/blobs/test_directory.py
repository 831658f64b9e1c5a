"""What a directory adds to the contract: memory first, then packs."""

import random
from pathlib import Path

import pytest

from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.errors import StorageFullError
from tests.dispatcher.blobs.holding import EVERY_BYTE, digest_of, hold_and_release, is_kept

IMAGES = [bytes([number]) * 200 for number in range(20)]


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def started(directory: Path, *, memory_bytes: int = 1000) -> DirectoryBlobStore:
    store = DirectoryBlobStore(directory, memory_bytes=memory_bytes)
    await store.start()
    return store


async def put_all(store: DirectoryBlobStore, images: list[bytes]) -> None:
    for image in images:
        await store.put(digest_of(image), image)


async def test_what_fits_into_memory_is_never_a_file(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await put_all(store, IMAGES[:5])
    assert files_in(tmp_path) == []
    await put_all(store, IMAGES[5:6])
    (file,) = files_in(tmp_path)
    assert file.read_bytes() == IMAGES[0], "the oldest goes first"
    await store.close()


async def test_all_is_there_wherever_it_is(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await put_all(store, IMAGES)
    assert all([await is_kept(store, image) for image in IMAGES])
    assert store.total_bytes() == 200 * len(IMAGES)
    await store.close()


async def test_a_single_image_may_be_larger_than_the_memory(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=10)
    await put_all(store, IMAGES[:3])
    assert all([await is_kept(store, image) for image in IMAGES[:3]])
    await store.close()


async def test_what_is_let_go_leaves_its_memory_to_others(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    for image in IMAGES:
        await store.put(digest_of(image), image)
        await store.release(digest_of(image))
        assert not await is_kept(store, image)
    await put_all(store, IMAGES[:5])
    assert files_in(tmp_path) == []
    await store.close()


async def test_no_bytes_are_bytes_too(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await store.put(digest_of(b""), b"")
    assert await store.get(digest_of(b"")) == b""
    await store.close()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_held_is_there_and_nothing_else(tmp_path: Path, seed: int) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=2500)
    dice = random.Random(seed)
    images = [dice.randbytes(1000) for _ in range(6)]
    for number in range(8):
        await hold_and_release(store, images, random.Random(100 * seed + number))
    assert store.total_bytes() == 0
    assert not any([await is_kept(store, image) for image in images])
    await store.close()


async def test_what_an_earlier_process_left_is_gone(tmp_path: Path) -> None:
    killed = await started(tmp_path / "blobs", memory_bytes=0)
    await put_all(killed, IMAGES)
    assert files_in(tmp_path)
    store = await started(tmp_path / "blobs")
    assert files_in(tmp_path) == []
    assert not await is_kept(store, IMAGES[0])
    assert not await store.hold(digest_of(IMAGES[0]))
    await put_all(store, IMAGES)
    assert await is_kept(store, IMAGES[0])
    await store.close()


async def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs")
    await put_all(store, IMAGES)
    await store.close()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - nothing else runs here


async def test_the_directory_beside_it_is_not_touched(tmp_path: Path) -> None:
    neighbour = tmp_path / "topology"
    neighbour.write_text("record")
    store = await started(tmp_path / "deeper" / "blobs")
    await store.close()
    assert neighbour.read_text() == "record"


async def test_a_disk_that_takes_nothing_refuses_and_loses_nothing(tmp_path: Path) -> None:
    store = await started(tmp_path / "blobs", memory_bytes=1000)
    await put_all(store, IMAGES[:5])
    (tmp_path / "blobs").rmdir()
    with pytest.raises(StorageFullError):
        await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert not await store.hold(digest_of(EVERY_BYTE))
    assert not await is_kept(store, EVERY_BYTE)
    assert store.total_bytes() == 1000
    assert all([await is_kept(store, image) for image in IMAGES[:5]])
    (tmp_path / "blobs").mkdir()
    await store.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert await is_kept(store, EVERY_BYTE)
    await store.close()
