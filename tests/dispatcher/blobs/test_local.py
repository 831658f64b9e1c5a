"""Bytes survive the process, whether it ends or is killed."""

import asyncio
import errno
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobMissingError
from dispatcher.blobs.local import LocalBlobStore
from dispatcher.errors import StorageFullError
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from tests.dispatcher.blobs.holding import digest_of
from tests.dispatcher.storage.crashing import killed, writing
from tests.dispatcher.waiting import turns, until

PACK_BYTES = 1000
IMAGES = [bytes([65 + number]) * 300 for number in range(10)]
DIGESTS = [digest_of(image) for image in IMAGES]


@asynccontextmanager
async def blobs_in(
    folder: Path, holds: Mapping[str, int] | None = None, *, limit_bytes: int = 0
) -> AsyncIterator[LocalBlobStore]:
    """Open a store that has taken over what was there, if anything was held."""
    async with writing(folder) as writer:
        space = Space(
            folder, limit_bytes=limit_bytes, reserve_percent=0.0, used_bytes=lambda: used(blobs)
        )
        blobs = LocalBlobStore(folder / "blobs", writer=writer, space=space)
        await blobs.start()
        blobs._packs.limit_size(PACK_BYTES)
        if holds is not None:
            await blobs.adopt(holds)
        yield blobs
        await blobs.close()


def used(blobs: LocalBlobStore) -> int:
    return blobs.disk_bytes()


def writer_of(blobs: LocalBlobStore) -> Writer:
    return blobs._writer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def packs_in(folder: Path) -> list[Path]:
    return sorted((folder / "blobs").glob("*.pack"))


async def put_all(blobs: LocalBlobStore, count: int = len(IMAGES)) -> None:
    for digest, image in zip(DIGESTS[:count], IMAGES[:count], strict=True):
        await blobs.put(digest, image)
    await writer_of(blobs).catch_up()


async def lost(folder: Path, holds: Mapping[str, int]) -> list[str]:
    """Return what a new process would miss."""
    async with blobs_in(folder) as blobs:
        return await blobs.adopt(holds)


# What is there again


async def test_bytes_are_there_again_after_an_end_and_after_a_kill(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs)
        left = killed(folder)
    for place in (left, folder):
        async with blobs_in(place, Counter(DIGESTS)) as again:
            assert [await again.get(digest) for digest in DIGESTS] == IMAGES
            assert again.total_bytes() == sum(map(len, IMAGES))


async def test_nobody_asks_for_what_is_not_held_and_its_packs_go(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs)
        before = len(packs_in(folder))
    async with blobs_in(folder, {DIGESTS[0]: 1}) as again:
        assert again.total_bytes() == len(IMAGES[0])
        assert not again.hold(DIGESTS[1])
        with pytest.raises(BlobMissingError):
            await again.get(DIGESTS[1])
        assert len(packs_in(folder)) < before
    async with blobs_in(folder, Counter(DIGESTS[:2])) as later:
        assert not later.hold(DIGESTS[1]), "its place is forgotten for good"


async def test_each_hold_of_an_earlier_process_counts(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs, 1)
    async with blobs_in(folder, {DIGESTS[0]: 3}) as again:
        for _ in range(2):
            await again.release(DIGESTS[0])
            assert await again.get(DIGESTS[0]) == IMAGES[0]
        await again.release(DIGESTS[0])
        assert again.total_bytes() == 0


async def test_what_was_let_go_is_not_there_again(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs, 2)
        await blobs.release(DIGESTS[0])
    async with blobs_in(folder) as again:
        assert await again.adopt(Counter(DIGESTS[:2])) == [DIGESTS[0]]


async def test_bytes_that_came_again_in_the_same_process_are_found(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        for _ in range(3):
            await put_all(blobs, 4)
            for digest in DIGESTS[:4]:
                await blobs.release(digest)
        await put_all(blobs, 4)
        left = killed(folder)
    async with blobs_in(left, Counter(DIGESTS[:4])) as again:
        assert [await again.get(digest) for digest in DIGESTS[:4]] == IMAGES[:4]


async def test_new_bytes_never_go_to_the_end_of_an_old_pack(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs, 1)
        left = killed(folder)
    (old,) = packs_in(left)
    with old.open("ab") as file:
        file.write(b"what never became safe")
    async with blobs_in(left, {DIGESTS[0]: 1}) as again:
        await again.put(DIGESTS[1], IMAGES[1])
        assert await again.get(DIGESTS[0]) == IMAGES[0]
        assert await again.get(DIGESTS[1]) == IMAGES[1]
        assert len(packs_in(left)) == 2


async def test_packs_are_on_stable_storage_before_the_place_of_their_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def commit(_: str) -> None:
        steps.append("commit")

    async with blobs_in(folder) as blobs:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        monkeypatch.setattr("dispatcher.storage.writer.crash_point", commit)
        await put_all(blobs, 1)
        monkeypatch.undo()
    assert sorted(steps[: steps.index("commit")]) == ["000000.pack", "blobs"]


async def test_what_a_last_commit_may_refer_to_is_synced_when_the_store_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    async with blobs_in(folder) as blobs:
        await blobs.put(DIGESTS[0], IMAGES[0])
        monkeypatch.setattr(
            os,
            "fdatasync",
            lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name),
        )
        await blobs.close()
        assert "000000.pack" in synced
        monkeypatch.undo()
    async with blobs_in(folder, {DIGESTS[0]: 1}) as again:
        assert await again.get(DIGESTS[0]) == IMAGES[0]


# Damage


async def test_what_is_missing_is_told_and_only_that(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs)
    packs = packs_in(folder)
    gone = {packs[0]: packs[0].stat().st_size}
    packs[0].unlink()
    missing = await lost(folder, Counter(DIGESTS))
    assert missing == DIGESTS[: gone[packs[0]] // len(IMAGES[0])]
    async with blobs_in(folder, Counter(DIGESTS)) as again:
        for digest, image in zip(DIGESTS, IMAGES, strict=True):
            if digest in missing:
                with pytest.raises(BlobMissingError):
                    await again.get(digest)
            else:
                assert await again.get(digest) == image


async def test_of_a_pack_that_was_cut_off_what_is_whole_is_there(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs, 3)
    (pack,) = packs_in(folder)
    os.truncate(pack, 2 * len(IMAGES[0]) + 1)
    assert await lost(folder, Counter(DIGESTS[:3])) == [DIGESTS[2]]


async def test_damaged_bytes_are_noticed_and_never_given_out(folder: Path) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs, 2)
    (pack,) = packs_in(folder)
    with pack.open("r+b") as file:
        file.seek(10)
        file.write(b"?")
    async with blobs_in(folder, Counter(DIGESTS[:2])) as again:
        for _ in range(2):
            with pytest.raises(BlobMissingError):
                await again.get(DIGESTS[0])
        assert await again.get(DIGESTS[1]) == IMAGES[1]
        assert not again.hold(DIGESTS[0]), "nobody else is promised them"


@pytest.mark.parametrize("is_noticed", [True, False], ids=["damaged", "missing"])
async def test_bytes_that_come_again_after_damage_belong_to_all_who_held_them(
    folder: Path, *, is_noticed: bool
) -> None:
    async with blobs_in(folder) as blobs:
        await put_all(blobs, 1)
    (pack,) = packs_in(folder)
    pack.write_bytes(b"?" * 300 if is_noticed else b"")
    async with blobs_in(folder, {DIGESTS[0]: 2}) as again:
        with pytest.raises(BlobMissingError):
            await again.get(DIGESTS[0])
        await again.put(DIGESTS[0], IMAGES[0])
        for _ in range(2):
            assert await again.get(DIGESTS[0]) == IMAGES[0]
            await again.release(DIGESTS[0])
        assert await again.get(DIGESTS[0]) == IMAGES[0], "the hold of the one who put them"
        await again.release(DIGESTS[0])
        assert again.total_bytes() == 0


async def test_holds_on_missing_bytes_can_end(folder: Path) -> None:
    async with blobs_in(folder, {DIGESTS[0]: 2}) as blobs:
        for _ in range(3):
            await blobs.release(DIGESTS[0])
        await blobs.put(DIGESTS[0], IMAGES[0])
        await blobs.release(DIGESTS[0])
        assert blobs.total_bytes() == 0


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
        assert not blobs.hold(DIGESTS[2])
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
        assert (blobs.total_bytes(), blobs.hold(DIGESTS[0])) == (0, False)
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
