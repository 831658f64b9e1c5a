"""The zip file: readable by anybody, and never in memory as a whole."""

import asyncio
import hashlib
import io
import struct
import zipfile
from collections.abc import MutableMapping
from typing import Any

import pytest

from dispatcher.api.archive import ZipResponse, zip_pictures
from dispatcher.api.contents import NamedPicture
from dispatcher.blobs.memory import MemoryBlobStore

MOMENT = 1_782_345_678.0


async def keep(blobs: MemoryBlobStore, *contents: bytes) -> list[NamedPicture]:
    """Put pictures into the store and return them under names of their own."""
    pictures = []
    for number, data in enumerate(contents):
        digest = hashlib.sha256(data).hexdigest()
        await blobs.put(digest, data)
        pictures.append(NamedPicture("made", f"köala {number}.png", digest, "image/png", 1, 1))
    return pictures


async def collect(blobs: MemoryBlobStore, pictures: list[NamedPicture]) -> list[bytes]:
    return [chunk async for chunk in zip_pictures(pictures, blobs=blobs, modified_at=MOMENT)]


def read_from_front_to_back(data: bytes) -> dict[str, bytes]:
    """Unpack without the directory at the end, as readers of streams do."""
    found, offset = {}, 0
    while data[offset : offset + 4] == b"PK\x03\x04":
        flags, method = struct.unpack_from("<HH", data, offset + 6)
        size, _, name_size, extra_size = struct.unpack_from("<IIHH", data, offset + 18)
        assert not flags & 0x08, "sizes stand before the data"
        assert method == zipfile.ZIP_STORED
        start = offset + 30 + name_size + extra_size
        name = data[offset + 30 : offset + 30 + name_size].decode()
        found[name] = data[start : start + size]
        offset = start + size
    assert data[offset : offset + 4] in (b"PK\x01\x02", b"PK\x05\x06")
    return found


@pytest.mark.parametrize("contents", [(), (b"",), (b"one",), (b"one", b"", b"two" * 1000, b"one")])
async def test_what_goes_in_comes_out(contents: tuple[bytes, ...]) -> None:
    blobs = MemoryBlobStore()
    pictures = await keep(blobs, *contents)
    data = b"".join(await collect(blobs, pictures))
    expected = {f"made/köala {n}.png": content for n, content in enumerate(contents)}
    assert read_from_front_to_back(data) == expected
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == expected


async def test_entries_are_ordinary_files_of_their_time() -> None:
    blobs = MemoryBlobStore()
    pictures = await keep(blobs, b"one")
    data = b"".join(await collect(blobs, pictures))
    assert data == b"".join(await collect(blobs, pictures)), "the same batch, the same bytes"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (entry,) = archive.infolist()
    assert entry.date_time == (2026, 6, 25, 0, 1, 18)
    assert entry.external_attr >> 16 == 0o100644


async def test_one_picture_after_the_other_is_in_memory() -> None:
    blobs = MemoryBlobStore()
    contents = [bytes([number]) * 10_000 for number in range(20)]
    chunks = await collect(blobs, await keep(blobs, *contents))
    assert len(chunks) == 21
    assert all(10_000 < len(chunk) < 10_200 for chunk in chunks[:-1])


async def test_an_archive_beyond_four_gibibytes_is_readable_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10_000)
    blobs = MemoryBlobStore()
    contents = [bytes([number]) * 6_000 for number in range(10)]
    data = b"".join(await collect(blobs, await keep(blobs, *contents)))
    assert b"PK\x06\x06" in data, "the directory is one for large archives"
    monkeypatch.undo()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in archive.namelist()] == contents


# The answer


def response_of(pictures: list[NamedPicture], blobs: MemoryBlobStore) -> ZipResponse:
    return ZipResponse(pictures, blobs=blobs, filename="a.zip", modified_at=MOMENT)


async def test_pictures_are_held_while_they_are_sent() -> None:
    blobs = MemoryBlobStore()
    pictures = await keep(blobs, b"one", b"two")
    sent = bytearray()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.extend(message.get("body", b""))
        if message["type"] == "http.response.start":
            for picture in pictures:  # their batch is dropped meanwhile
                await blobs.release(picture.digest)

    await response_of(pictures, blobs)({"type": "http"}, asyncio.Event().wait, send)  # type: ignore[arg-type]
    assert list(read_from_front_to_back(bytes(sent)).values()) == [b"one", b"two"]
    assert blobs.total_bytes() == 0


async def test_a_client_that_leaves_is_sent_no_more_and_holds_nothing() -> None:
    blobs = MemoryBlobStore()
    pictures = await keep(blobs, *(b"%d" % number for number in range(50)))
    messages = 0
    has_left = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(_: MutableMapping[str, Any]) -> None:
        nonlocal messages
        messages += 1
        if messages == 5:
            has_left.set()
            await asyncio.Event().wait()  # nobody reads any more

    async with asyncio.timeout(5):
        await response_of(pictures, blobs)({"type": "http"}, receive, send)
    assert messages == 5
    for picture in pictures:
        await blobs.release(picture.digest)
    assert blobs.total_bytes() == 0
