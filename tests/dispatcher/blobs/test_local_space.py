"""What becomes of space that is not needed, and what is done without any."""

import asyncio
import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from dispatcher.blobs.local import LocalBlobStore
from dispatcher.errors import StorageFullError
from tests.dispatcher.blobs.keeping import (
    DIGESTS,
    IMAGES,
    blobs_in,
    lost,
    packs_in,
    put_all,
    writer_of,
)
from tests.dispatcher.storage.crashing import killed
from tests.dispatcher.waiting import turns, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


# Tidying


async def scatter(blobs: LocalBlobStore) -> list[str]:
    """Leave one image in every pack; return their digests."""
    await put_all(blobs)
    kept = DIGESTS[::4]
    for digest in DIGESTS:
        if digest not in kept:
            await blobs.release(digest)
    return kept


@pytest.fixture(autouse=True)
def _mostly_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.blobs.packs._MOSTLY_EMPTY", 0.5)


async def test_what_is_left_in_mostly_empty_packs_is_moved_together(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        kept = await scatter(blobs)
        before = blobs.disk_bytes()
        await blobs.tidy()
        assert blobs.disk_bytes() < before
        assert len(packs_in(folder)) < len(kept) + 1
        for digest in kept:
            assert await blobs.get(digest) == IMAGES[DIGESTS.index(digest)]
        left = killed(folder)
    for place in (left, folder):
        async with blobs_in(place, Counter(kept)) as again:
            for digest in kept:
                assert await again.get(digest) == IMAGES[DIGESTS.index(digest)]


@pytest.mark.parametrize("after", range(6))
async def test_a_kill_at_any_moment_of_a_move_loses_nothing(folder: Path, after: int) -> None:
    async with blobs_in(folder) as blobs:
        kept = await scatter(blobs)
        await writer_of(blobs).catch_up()
        tidying = asyncio.create_task(blobs.tidy())
        await turns(after)
        left = killed(folder)
        await tidying
    async with blobs_in(left, Counter(kept)) as again:
        for digest in kept:
            assert await again.get(digest) == IMAGES[DIGESTS.index(digest)]


async def test_a_pack_stays_until_what_was_moved_out_of_it_is_safe_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the last that was needed of it is let go in that moment."""
    async with blobs_in(folder) as blobs:
        await put_all(blobs)
        for digest in DIGESTS[2:]:
            await blobs.release(digest)
        await writer_of(blobs).catch_up()
        monkeypatch.setattr("dispatcher.blobs.packs._MOSTLY_EMPTY", 1.0)
        moved = blobs._packs.worth_moving()
        assert sorted(moved) == sorted(DIGESTS[:2])
        place = blobs._packs.move(DIGESTS[0])
        assert place is not None
        await blobs.release(DIGESTS[1])
        left = killed(folder)
    assert await lost(left, {DIGESTS[0]: 1}) == []


async def test_what_is_let_go_while_it_is_moved_is_gone(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        kept = await scatter(blobs)
        tidying = asyncio.create_task(blobs.tidy())
        await turns(1)
        for digest in kept:
            await blobs.release(digest)
        await tidying
        assert blobs.total_bytes() == 0
    assert sorted(await lost(folder, Counter(kept))) == sorted(kept)


# Space


async def test_at_the_limit_new_work_is_refused_and_the_old_is_finished(folder: Path) -> None:
    async with blobs_in(folder, limit_bytes=2 * len(IMAGES[0])) as blobs:
        await put_all(blobs, 2)
        with pytest.raises(StorageFullError):
            await blobs.put(DIGESTS[2], IMAGES[2])
        assert not await blobs.hold(DIGESTS[2])
        await blobs.put(DIGESTS[2], IMAGES[2], is_new_work=False)
        assert await blobs.get(DIGESTS[2]) == IMAGES[2]
        await blobs.put(DIGESTS[0], IMAGES[0])  # what is there already takes no space


class FullDisk:
    """Has the packs find no space until it is told that there is some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
        self.is_full = True
        self.asked = 0
        self._number = number
        self._write = os.pwrite
        monkeypatch.setattr(os, "pwrite", self.pwrite)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self.asked += 1
        if self.is_full:
            raise OSError(self._number, "as told")
        return self._write(descriptor, data, offset)


async def test_on_a_full_disk_new_work_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with blobs_in(folder) as blobs:
        disk = FullDisk(monkeypatch)
        with pytest.raises(StorageFullError):
            await blobs.put(DIGESTS[0], IMAGES[0])
        assert (blobs.total_bytes(), await blobs.hold(DIGESTS[0])) == (0, False)
        disk.is_full = False
        await blobs.put(DIGESTS[0], IMAGES[0])
        assert await blobs.get(DIGESTS[0]) == IMAGES[0]


async def test_on_a_full_disk_what_was_accepted_waits_for_space(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.blobs.local._PAUSE_S", 0.002)
    async with blobs_in(folder) as blobs:
        disk = FullDisk(monkeypatch)
        putting = [
            asyncio.create_task(blobs.put(DIGESTS[0], IMAGES[0], is_new_work=False))
            for _ in range(2)
        ]
        await until(lambda: disk.asked > 6)
        assert not (folder / "reserve").exists(), "this is what the reserve is for"
        with pytest.raises(StorageFullError):
            await blobs.put(DIGESTS[1], IMAGES[1])
        disk.is_full = False
        await asyncio.gather(*putting)
        assert blobs.total_bytes() == len(IMAGES[0])
        for _ in range(2):
            assert await blobs.get(DIGESTS[0]) == IMAGES[0]
            await blobs.release(DIGESTS[0])
        assert blobs.total_bytes() == 0


async def test_a_broken_disk_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with blobs_in(folder) as blobs:
        FullDisk(monkeypatch, errno.EIO)
        with pytest.raises(StorageFullError):
            await blobs.put(DIGESTS[0], IMAGES[0], is_new_work=False)
        monkeypatch.undo()


async def test_too_many_open_files_make_no_pack_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.002)
    failures = [OSError(errno.EMFILE, "Too many open files")] * 2
    duplicate, synced, sync = os.dup, [], os.fdatasync

    def dup(descriptor: int) -> int:
        if failures:
            raise failures.pop()
        return duplicate(descriptor)

    def fdatasync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    async with blobs_in(folder) as blobs:
        monkeypatch.setattr(os, "dup", dup)
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        await put_all(blobs, 1)
        monkeypatch.undo()
    assert not failures
    assert "000000.pack" in synced
