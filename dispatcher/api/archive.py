"""One zip file of many pictures, made while it is sent: one picture in memory at a time.

Pictures are compressed already, so they are stored as they are. Sizes and checksums stand before
each picture, not after it, because readers that go from front to back cannot skip otherwise.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from starlette.responses import StreamingResponse

from dispatcher.api.asgi import Receive, Scope, Send
from dispatcher.api.contents import NamedPicture
from dispatcher.blobs.base import BlobStore

_READABLE_FILE: Final = 0o100644 << 16
_CHUNK_BYTES: Final = 256 * 1024
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


class ZipResponse(StreamingResponse):
    """A zip file of pictures, which are held until it was sent or its client has left."""

    def __init__(
        self,
        pictures: Sequence[NamedPicture],
        *,
        blobs: BlobStore,
        filename: str,
        modified_at: float,
    ) -> None:
        """Prepare the answer.

        Args:
            pictures: in their order, under their paths; those that are gone are left out.
            blobs: where the bytes are.
            filename: of the zip file, plain ASCII.
            modified_at: time of all entries, Unix seconds.
        """
        super().__init__(
            (),
            media_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{filename}"',
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )
        self._pictures = pictures
        self._blobs = blobs
        self._modified_at = modified_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        held = [picture for picture in self._pictures if await self._blobs.hold(picture.digest)]
        self.body_iterator = zip_pictures(held, blobs=self._blobs, modified_at=self._modified_at)
        try:
            await super().__call__(scope, receive, send)
        finally:
            for picture in held:
                await self._blobs.release(picture.digest)


class _Tape(io.BytesIO):
    """A file of which only the end is in memory: what was taken off cannot be written again."""

    def __init__(self) -> None:
        super().__init__()
        self._taken_bytes = 0

    def tell(self) -> int:
        return self._taken_bytes + super().tell()

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            position -= self._taken_bytes
        return self._taken_bytes + super().seek(position, whence)

    def take(self) -> bytes:
        """Return all that was written since the last call."""
        written = self.getvalue()
        self._taken_bytes += len(written)
        super().seek(0)
        self.truncate()
        return written


async def zip_pictures(
    pictures: Sequence[NamedPicture], *, blobs: BlobStore, modified_at: float
) -> AsyncIterator[bytes]:
    """Yield a zip file of pictures whose bytes are held until its end.

    Args:
        pictures: in their order, under their paths.
        blobs: where the bytes are.
        modified_at: time of all entries, Unix seconds.

    Raises:
        BlobMissingError: bytes are gone all the same; the file breaks off.
    """
    tape = _Tape()
    moment = max(datetime.fromtimestamp(modified_at, UTC).timetuple()[:6], _EARLIEST)
    with ZipFile(tape, "w", ZIP_STORED) as archive:
        for picture in pictures:
            entry = ZipInfo(picture.path, date_time=moment)
            entry.external_attr = _READABLE_FILE
            data = await blobs.get(picture.digest)
            # In a thread: the checksum of a large picture takes a while.
            await asyncio.to_thread(archive.writestr, entry, data)
            del data
            for chunk in _cut(tape.take()):
                yield chunk
    yield tape.take()


def _cut(data: bytes) -> Iterator[bytes]:
    """Yield data in chunks of which the server does not mind keeping several."""
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]
