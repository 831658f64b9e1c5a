"""Bytes to put into a store, and what a store must do with them however many hold them."""

import asyncio
import hashlib
import random
from collections.abc import Sequence

from dispatcher.blobs.base import BlobMissingError, BlobStore

EVERY_BYTE = bytes(range(256)) * 3


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def is_kept(blobs: BlobStore, data: bytes) -> bool:
    """Say whether the bytes can be read; fail when others come."""
    try:
        assert await blobs.get(digest_of(data)) == data
    except BlobMissingError:
        return False
    return True


async def hold_and_release(blobs: BlobStore, images: Sequence[bytes], dice: random.Random) -> None:
    """Put, hold, read and release at random; what is held must be there all the while."""
    held: list[bytes] = []
    for _ in range(60):
        image = dice.choice(images)
        action = dice.choice(["put", "hold", "get", "release"])
        if action == "put":
            await blobs.put(digest_of(image), image)
            held.append(image)
        elif action == "hold" and await blobs.hold(digest_of(image)):
            held.append(image)
        elif action == "release" and held:
            await blobs.release(digest_of(held.pop(dice.randrange(len(held)))))
        elif held:
            assert await is_kept(blobs, dice.choice(held))
        await asyncio.sleep(0)
    for image in held:
        assert await is_kept(blobs, image)
        await blobs.release(digest_of(image))
