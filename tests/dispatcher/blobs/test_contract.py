"""What every blob store promises; each backend runs through all that it can keep."""

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


@pytest.mark.parametrize("count", [1, 20])
async def test_what_is_put_by_several_is_there_for_all(blobs: BlobStore, count: int) -> None:
    digest = digest_of(EVERY_BYTE)
    await asyncio.gather(*(blobs.put(digest, EVERY_BYTE) for _ in range(count)))
    for _ in range(count):
        assert await is_kept(blobs, EVERY_BYTE)
        await blobs.release(digest)


async def test_only_what_is_kept_can_be_held(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    assert not await blobs.hold(digest)
    await blobs.put(digest, EVERY_BYTE)
    assert await blobs.hold(digest)
    await blobs.release(digest)
    assert await is_kept(blobs, EVERY_BYTE)


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_held_is_there_whatever_others_do(blobs: BlobStore, seed: int) -> None:
    dice = random.Random(seed)
    images = [dice.randbytes(size) for size in (1, 1000, 100_000)]
    await asyncio.gather(
        *(hold_and_release(blobs, images, random.Random(100 * seed + n)) for n in range(6))
    )


async def test_a_backend_that_is_there_can_be_reached(blobs: BlobStore) -> None:
    assert blobs.unready() is None


# Holds, in a store that counts them


async def test_bytes_stay_as_long_as_somebody_holds_them(counting_blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    for _ in range(3):
        await counting_blobs.put(digest, EVERY_BYTE)
    for _ in range(2):
        await counting_blobs.release(digest)
        assert await counting_blobs.get(digest) == EVERY_BYTE
    await counting_blobs.release(digest)
    assert not await is_kept(counting_blobs, EVERY_BYTE)


async def test_a_hold_counts_like_one_more_put(counting_blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await counting_blobs.put(digest, EVERY_BYTE)
    assert await counting_blobs.hold(digest)
    await counting_blobs.release(digest)
    assert await is_kept(counting_blobs, EVERY_BYTE)
    await counting_blobs.release(digest)
    assert not await is_kept(counting_blobs, EVERY_BYTE)
    assert counting_blobs.total_bytes() == 0


async def test_what_is_not_kept_cannot_be_held(counting_blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    assert not await counting_blobs.hold(digest)
    await counting_blobs.put(digest, EVERY_BYTE)
    await counting_blobs.release(digest)
    assert not await counting_blobs.hold(digest)
    await counting_blobs.put(digest, EVERY_BYTE)
    await counting_blobs.release(digest)
    assert not await is_kept(counting_blobs, EVERY_BYTE), "a hold that was refused is none"


async def test_the_same_bytes_are_kept_once_however_often_they_are_put(
    counting_blobs: BlobStore,
) -> None:
    for _ in range(3):
        await counting_blobs.put(digest_of(EVERY_BYTE), EVERY_BYTE)
    assert counting_blobs.total_bytes() == len(EVERY_BYTE)


async def test_bytes_that_went_can_be_put_again(counting_blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await counting_blobs.put(digest, EVERY_BYTE)
    await counting_blobs.release(digest)
    await counting_blobs.put(digest, EVERY_BYTE)
    assert await counting_blobs.get(digest) == EVERY_BYTE
    assert counting_blobs.total_bytes() == len(EVERY_BYTE)


async def test_a_hold_that_nobody_has_can_be_ended_without_harm(counting_blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await counting_blobs.release(digest)
    await counting_blobs.put(digest, EVERY_BYTE)
    assert await counting_blobs.get(digest) == EVERY_BYTE
    assert counting_blobs.total_bytes() == len(EVERY_BYTE)


# Together


async def test_holds_that_are_taken_together_are_all_counted(counting_blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await asyncio.gather(*(counting_blobs.put(digest, EVERY_BYTE) for _ in range(20)))
    assert counting_blobs.total_bytes() == len(EVERY_BYTE)
    await asyncio.gather(*(counting_blobs.release(digest) for _ in range(19)))
    assert await counting_blobs.get(digest) == EVERY_BYTE
    await counting_blobs.release(digest)
    assert not await is_kept(counting_blobs, EVERY_BYTE)
    assert counting_blobs.total_bytes() == 0


@pytest.mark.parametrize("after", range(5))
async def test_who_lets_go_takes_nothing_from_one_who_is_putting_the_same_bytes(
    counting_blobs: BlobStore, after: int
) -> None:
    digest = digest_of(EVERY_BYTE)
    await counting_blobs.put(digest, EVERY_BYTE)
    putting = asyncio.create_task(counting_blobs.put(digest, EVERY_BYTE))
    await turns(after)
    await counting_blobs.release(digest)
    await putting
    assert await is_kept(counting_blobs, EVERY_BYTE)
    assert counting_blobs.total_bytes() == len(EVERY_BYTE)
    await counting_blobs.release(digest)
    assert not await is_kept(counting_blobs, EVERY_BYTE)
    assert counting_blobs.total_bytes() == 0


@pytest.mark.parametrize("size", [1, 3_000_000], ids=["short", "long"])
async def test_of_two_who_put_the_same_bytes_the_first_may_let_go_before_the_other_is_done(
    counting_blobs: BlobStore, size: int
) -> None:
    data = b"x" * size
    digest = digest_of(data)

    async def put_and_release() -> None:
        await counting_blobs.put(digest, data)
        assert await is_kept(counting_blobs, data)
        await counting_blobs.release(digest)

    await asyncio.gather(*(put_and_release() for _ in range(5)))
    assert not await is_kept(counting_blobs, data)
    assert counting_blobs.total_bytes() == 0


@pytest.mark.parametrize("after", range(6))
async def test_what_can_be_held_can_be_read(counting_blobs: BlobStore, after: int) -> None:
    data = b"x" * 3_000_000
    putting = asyncio.create_task(counting_blobs.put(digest_of(data), data))
    await turns(after)
    if await counting_blobs.hold(digest_of(data)):
        assert await is_kept(counting_blobs, data)
        await counting_blobs.release(digest_of(data))
    await putting
    assert await is_kept(counting_blobs, data)
    await counting_blobs.release(digest_of(data))
    assert counting_blobs.total_bytes() == 0


async def test_one_who_stops_putting_leaves_no_hold(counting_blobs: BlobStore) -> None:
    data = b"x" * 3_000_000
    putting = asyncio.create_task(counting_blobs.put(digest_of(data), data))
    await turns(1)
    putting.cancel()
    (outcome,) = await asyncio.gather(putting, return_exceptions=True)
    if outcome is None:  # it was done before
        await counting_blobs.release(digest_of(data))
    assert not await counting_blobs.hold(digest_of(data))
    assert not await is_kept(counting_blobs, data)
    assert counting_blobs.total_bytes() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_left_of_what_nobody_holds(counting_blobs: BlobStore, seed: int) -> None:
    dice = random.Random(seed)
    images = [dice.randbytes(size) for size in (1, 1000, 100_000)]
    await asyncio.gather(
        *(hold_and_release(counting_blobs, images, random.Random(100 * seed + n)) for n in range(6))
    )
    assert counting_blobs.total_bytes() == 0
    for image in images:
        assert not await is_kept(counting_blobs, image)


@pytest.mark.parametrize("seed", range(3))
async def test_the_total_is_that_of_the_bytes_that_are_held(
    counting_blobs: BlobStore, seed: int
) -> None:
    dice = random.Random(seed)
    images = [dice.randbytes(size) for size in (1, 10, 100, 1000)]
    held: list[bytes] = []
    for _ in range(150):
        if held and dice.random() < 0.5:
            image = held.pop(dice.randrange(len(held)))
            await counting_blobs.release(digest_of(image))
        else:
            held.append(dice.choice(images))
            await counting_blobs.put(digest_of(held[-1]), held[-1])
        assert counting_blobs.total_bytes() == sum(len(image) for image in set(held))
    for image in held:
        await counting_blobs.release(digest_of(image))
    assert counting_blobs.total_bytes() == 0
