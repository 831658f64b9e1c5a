"""What every blob store promises; each backend runs through all of it."""

import asyncio
import random

import pytest

from dispatcher.blobs.base import BlobMissingError, BlobStore
from tests.dispatcher.blobs.holding import EVERY_BYTE, digest_of, hold_and_release, is_kept
from tests.dispatcher.waiting import turns


@pytest.mark.parametrize("data", [b"", b"\x00", EVERY_BYTE], ids=["empty", "nul", "every byte"])
async def test_exactly_the_bytes_that_were_put_are_given_back(
    blobs: BlobStore, data: bytes
) -> None:
    await blobs.put(digest_of(data), data)
    assert await blobs.get(digest_of(data)) == data


async def test_what_was_never_put_is_missing(blobs: BlobStore) -> None:
    with pytest.raises(BlobMissingError):
        await blobs.get(digest_of(b"never put"))


# Holds


async def test_bytes_stay_as_long_as_somebody_holds_them(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    for _ in range(3):
        await blobs.put(digest, EVERY_BYTE)
    for _ in range(2):
        await blobs.release(digest)
        assert await blobs.get(digest) == EVERY_BYTE
    await blobs.release(digest)
    assert not await is_kept(blobs, EVERY_BYTE)


async def test_a_hold_counts_like_one_more_put(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await blobs.put(digest, EVERY_BYTE)
    assert blobs.hold(digest)
    await blobs.release(digest)
    assert await is_kept(blobs, EVERY_BYTE)
    await blobs.release(digest)
    assert not await is_kept(blobs, EVERY_BYTE)
    assert blobs.total_bytes() == 0


async def test_what_is_not_kept_cannot_be_held(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    assert not blobs.hold(digest)
    await blobs.put(digest, EVERY_BYTE)
    await blobs.release(digest)
    assert not blobs.hold(digest)
    await blobs.put(digest, EVERY_BYTE)
    await blobs.release(digest)
    assert not await is_kept(blobs, EVERY_BYTE), "a hold that was refused is none"


async def test_the_same_bytes_are_kept_once_however_often_they_are_put(blobs: BlobStore) -> None:
    for _ in range(3):
        await blobs.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert blobs.total_bytes() == len(EVERY_BYTE)


async def test_bytes_that_went_can_be_put_again(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await blobs.put(digest, EVERY_BYTE)
    await blobs.release(digest)
    await blobs.put(digest, EVERY_BYTE)
    assert await blobs.get(digest) == EVERY_BYTE
    assert blobs.total_bytes() == len(EVERY_BYTE)


async def test_a_hold_that_nobody_has_can_be_ended_without_harm(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await blobs.release(digest)
    await blobs.put(digest, EVERY_BYTE)
    assert await blobs.get(digest) == EVERY_BYTE
    assert blobs.total_bytes() == len(EVERY_BYTE)


# Together


async def test_holds_that_are_taken_together_are_all_counted(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await asyncio.gather(*(blobs.put(digest, EVERY_BYTE) for _ in range(20)))
    assert blobs.total_bytes() == len(EVERY_BYTE)
    await asyncio.gather(*(blobs.release(digest) for _ in range(19)))
    assert await blobs.get(digest) == EVERY_BYTE
    await blobs.release(digest)
    assert not await is_kept(blobs, EVERY_BYTE)
    assert blobs.total_bytes() == 0


@pytest.mark.parametrize("after", range(5))
async def test_who_lets_go_takes_nothing_from_one_who_is_putting_the_same_bytes(
    blobs: BlobStore, after: int
) -> None:
    digest = digest_of(EVERY_BYTE)
    await blobs.put(digest, EVERY_BYTE)
    putting = asyncio.create_task(blobs.put(digest, EVERY_BYTE))
    await turns(after)
    await blobs.release(digest)
    await putting
    assert await is_kept(blobs, EVERY_BYTE)
    assert blobs.total_bytes() == len(EVERY_BYTE)
    await blobs.release(digest)
    assert not await is_kept(blobs, EVERY_BYTE)
    assert blobs.total_bytes() == 0


@pytest.mark.parametrize("size", [1, 3_000_000], ids=["short", "long"])
async def test_of_two_who_put_the_same_bytes_the_first_may_let_go_before_the_other_is_done(
    blobs: BlobStore, size: int
) -> None:
    data = b"x" * size
    digest = digest_of(data)

    async def put_and_release() -> None:
        await blobs.put(digest, data)
        assert await is_kept(blobs, data)
        await blobs.release(digest)

    await asyncio.gather(*(put_and_release() for _ in range(5)))
    assert not await is_kept(blobs, data)
    assert blobs.total_bytes() == 0


@pytest.mark.parametrize("after", range(6))
async def test_what_can_be_held_can_be_read(blobs: BlobStore, after: int) -> None:
    data = b"x" * 3_000_000
    putting = asyncio.create_task(blobs.put(digest_of(data), data))
    await turns(after)
    if blobs.hold(digest_of(data)):
        assert await is_kept(blobs, data)
        await blobs.release(digest_of(data))
    await putting
    assert await is_kept(blobs, data)
    await blobs.release(digest_of(data))
    assert blobs.total_bytes() == 0


async def test_one_who_stops_putting_leaves_no_hold(blobs: BlobStore) -> None:
    data = b"x" * 3_000_000
    putting = asyncio.create_task(blobs.put(digest_of(data), data))
    await turns(1)
    putting.cancel()
    (outcome,) = await asyncio.gather(putting, return_exceptions=True)
    if outcome is None:  # it was done before
        await blobs.release(digest_of(data))
    assert not blobs.hold(digest_of(data))
    assert not await is_kept(blobs, data)
    assert blobs.total_bytes() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_held_is_there_whatever_others_do(blobs: BlobStore, seed: int) -> None:
    dice = random.Random(seed)
    images = [dice.randbytes(size) for size in (1, 1000, 100_000)]
    await asyncio.gather(
        *(hold_and_release(blobs, images, random.Random(100 * seed + n)) for n in range(6))
    )
    assert blobs.total_bytes() == 0
    for image in images:
        assert not await is_kept(blobs, image)


@pytest.mark.parametrize("seed", range(3))
async def test_the_total_is_that_of_the_bytes_that_are_held(blobs: BlobStore, seed: int) -> None:
    dice = random.Random(seed)
    images = [dice.randbytes(size) for size in (1, 10, 100, 1000)]
    held: list[bytes] = []
    for _ in range(150):
        if held and dice.random() < 0.5:
            image = held.pop(dice.randrange(len(held)))
            await blobs.release(digest_of(image))
        else:
            held.append(dice.choice(images))
            await blobs.put(digest_of(held[-1]), held[-1])
        assert blobs.total_bytes() == sum(len(image) for image in set(held))
    for image in held:
        await blobs.release(digest_of(image))
    assert blobs.total_bytes() == 0
