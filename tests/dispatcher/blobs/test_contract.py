"""What every blob store promises; each backend runs through all of it."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable

import pytest

from dispatcher.blobs.base import BlobMissingError, BlobStore
from dispatcher.blobs.memory import MemoryBlobStore

BACKENDS: dict[str, Callable[[], BlobStore]] = {"memory": MemoryBlobStore}


@pytest.fixture(params=BACKENDS)
async def blobs(request: pytest.FixtureRequest) -> AsyncIterator[BlobStore]:
    backend = BACKENDS[request.param]()
    await backend.start()
    yield backend
    await backend.close()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


EVERY_BYTE = bytes(range(256)) * 3


@pytest.mark.parametrize("data", [b"", b"\x00", EVERY_BYTE], ids=["empty", "nul", "every byte"])
async def test_exactly_the_bytes_that_were_put_are_given_back(
    blobs: BlobStore, data: bytes
) -> None:
    await blobs.put(digest_of(data), data)
    assert await blobs.get(digest_of(data)) == data


async def test_what_was_never_put_is_missing(blobs: BlobStore) -> None:
    with pytest.raises(BlobMissingError):
        await blobs.get(digest_of(b"never put"))


async def test_bytes_stay_as_long_as_somebody_holds_them(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    for _ in range(3):
        await blobs.put(digest, EVERY_BYTE)
    for _ in range(2):
        await blobs.release(digest)
        assert await blobs.get(digest) == EVERY_BYTE


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


async def test_holds_that_are_taken_together_are_all_counted(blobs: BlobStore) -> None:
    digest = digest_of(EVERY_BYTE)
    await asyncio.gather(*(blobs.put(digest, EVERY_BYTE) for _ in range(20)))
    await asyncio.gather(*(blobs.release(digest) for _ in range(19)))
    assert await blobs.get(digest) == EVERY_BYTE


@pytest.mark.parametrize("seed", range(3))
async def test_the_total_is_that_of_the_bytes_that_are_held(blobs: BlobStore, seed: int) -> None:
    dice = random.Random(seed)
    images = [dice.randbytes(size) for size in (1, 10, 100, 1000)]
    held: list[bytes] = []
    for _ in range(300):
        if held and dice.random() < 0.5:
            image = held.pop(dice.randrange(len(held)))
            await blobs.release(digest_of(image))
        else:
            held.append(dice.choice(images))
            await blobs.put(digest_of(held[-1]), held[-1])
        for image in set(held):
            assert await blobs.get(digest_of(image)) == image
        assert blobs.total_bytes() >= sum(len(image) for image in set(held))
    for image in held:
        await blobs.release(digest_of(image))
