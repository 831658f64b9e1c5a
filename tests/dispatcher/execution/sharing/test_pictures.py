"""Pictures of which chunks are computed: read once, and not kept for ever."""

import asyncio
import hashlib

import pytest

from dispatcher.blobs.base import BlobCorruptError
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.chunks.memory import MemoryChunkShelf
from dispatcher.errors import StorageUnavailableError
from dispatcher.execution.sharing.pictures import ChunkPictures
from tests.dispatcher.execution.sharing.sharers import IMAGE, wants

RAW = b"raw pixels"
DIGEST = hashlib.sha256(RAW).hexdigest()


class CountedBlobs(MemoryBlobStore):
    """Counts how often images are read, and lets them be read once told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.may_read = asyncio.Event()
        self.failure: Exception | None = None

    async def get(self, digest: str) -> bytes:
        self.reads += 1
        await self.may_read.wait()
        if self.failure is not None:
            raise self.failure
        return await super().get(digest)


@pytest.fixture
async def blobs() -> CountedBlobs:
    made = CountedBlobs()
    await made.put(hashlib.sha256(IMAGE).hexdigest(), IMAGE)
    made.may_read.set()
    return made


def pictures_in(blobs: CountedBlobs, *, max_bytes: int = 1000) -> ChunkPictures:
    return ChunkPictures(blobs=blobs, shelf=MemoryChunkShelf(), max_bytes=max_bytes)


async def test_an_image_is_read_once_for_all_of_its_chunks(blobs: CountedBlobs) -> None:
    pictures = pictures_in(blobs)
    found = [await pictures.get(wants(index)) for index in range(3)]
    assert (found, blobs.reads) == ([IMAGE] * 3, 1)


async def test_chunks_that_begin_at_the_same_time_read_once_too(blobs: CountedBlobs) -> None:
    blobs.may_read.clear()
    pictures = pictures_in(blobs)
    reading = [asyncio.create_task(pictures.get(wants(index))) for index in range(3)]
    await asyncio.sleep(0)
    reading[0].cancel()
    blobs.may_read.set()
    found = await asyncio.gather(*reading, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert (found[1:], blobs.reads) == ([IMAGE] * 2, 1)


async def test_it_is_read_again_when_there_was_no_work_on_any(blobs: CountedBlobs) -> None:
    pictures = pictures_in(blobs)
    await pictures.get(wants(0))
    pictures.forget()
    assert await pictures.get(wants(0)) == IMAGE
    assert blobs.reads == 2


async def test_one_that_is_too_large_to_keep_is_read_each_time(blobs: CountedBlobs) -> None:
    pictures = pictures_in(blobs, max_bytes=len(IMAGE) - 1)
    found = [await pictures.get(wants(index)) for index in range(2)]
    assert (found, blobs.reads) == ([IMAGE] * 2, 2)


async def test_a_picture_between_two_stages_is_on_the_shelf(blobs: CountedBlobs) -> None:
    shelf = MemoryChunkShelf()
    pictures = ChunkPictures(blobs=blobs, shelf=shelf)
    await shelf.put_picture("job-1", DIGEST, RAW)
    assert await pictures.get(wants(0, digest=DIGEST, is_sent=False)) == RAW
    assert blobs.reads == 0


async def test_what_is_gone_or_damaged_is_none(blobs: CountedBlobs) -> None:
    pictures = pictures_in(blobs)
    assert await pictures.get(wants(0, digest=DIGEST)) is None
    assert await pictures.get(wants(0, digest=DIGEST, is_sent=False)) is None
    blobs.failure = BlobCorruptError()
    assert await pictures.get(wants(0)) is None


async def test_a_store_that_is_away_is_asked_again(blobs: CountedBlobs) -> None:
    pictures = pictures_in(blobs)
    blobs.failure = StorageUnavailableError()
    with pytest.raises(StorageUnavailableError):
        await pictures.get(wants(0))
    blobs.failure = None
    assert await pictures.get(wants(0)) == IMAGE
