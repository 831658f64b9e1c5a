"""A blob store in a folder, and what is in it for the process that comes after."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from dispatcher.blobs.local import LocalBlobStore
from dispatcher.storage.space import Space
from dispatcher.storage.writer import Writer
from tests.dispatcher.blobs.holding import digest_of
from tests.dispatcher.storage.crashing import writing

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
