"""Bytes survive the process, whether it ends or is killed."""

import os
from collections import Counter
from pathlib import Path

import pytest

from dispatcher.blobs.base import BlobMissingError
from tests.dispatcher.blobs.keeping import (
    DIGESTS,
    IMAGES,
    blobs_in,
    lost,
    packs_in,
    put_all,
)
from tests.dispatcher.storage.crashing import killed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


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
        assert not await again.hold(DIGESTS[1])
        with pytest.raises(BlobMissingError):
            await again.get(DIGESTS[1])
        assert len(packs_in(folder)) < before
    async with blobs_in(folder, Counter(DIGESTS[:2])) as later:
        assert not await later.hold(DIGESTS[1]), "its place is forgotten for good"


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
        assert not await again.hold(DIGESTS[0]), "nobody else is promised them"


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
