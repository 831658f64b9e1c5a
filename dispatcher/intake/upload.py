"""One request body, read once: the image, its digest, and the form's text fields."""

import hashlib
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    MutableMapping,
    MutableSequence,
)
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from dispatcher.errors import (
    IncompleteBodyError,
    PayloadTooLargeError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from dispatcher.intake.multipart import MAX_FORM_OVERHEAD_BYTES, FormReader, ImagePart
from step_app.contract.limits import MAX_IMAGE_BYTES

_MAX_FILENAME: Final = 255
_MAX_LENGTH_DIGITS: Final = 18

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's receive callable."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What one request brought."""

    chunks: MutableSequence[bytes]
    digest: str
    """SHA-256 of the image, hexadecimal."""
    filename: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def image(self) -> bytes:
        """Return the image's bytes; put together only now, because a cache hit never asks.

        They take the place of the pieces: no image is in memory twice.
        """
        if len(self.chunks) != 1:
            self.chunks[:] = [b"".join(self.chunks)]
        return self.chunks[0]


async def read_upload(headers: Mapping[bytes, bytes], receive: Receive) -> Upload:
    """Read a form or a raw image; the digest grows while the body arrives.

    Args:
        headers: of the request, names in lower case.
        receive: ASGI's receive callable.

    Raises:
        RequestError: the body is too long, broken off, or of another media type.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedEncodingError("Send the body as it is.")
    content_type = headers.get(b"content-type", b"")
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type == b"multipart/form-data":
        return await _read_form(content_type, headers, receive)
    if media_type.startswith(b"image/") or media_type == b"application/octet-stream":
        return await _read_raw(headers, receive)
    raise UnsupportedMediaTypeError(
        "Send multipart/form-data with a file field image, or the bytes with image/*."
    )


async def _read_raw(headers: Mapping[bytes, bytes], receive: Receive) -> Upload:
    sha256, chunks = hashlib.sha256(), []
    async for chunk in body_chunks(headers, receive, limit_bytes=MAX_IMAGE_BYTES):
        sha256.update(chunk)
        chunks.append(chunk)
    return Upload(
        chunks=chunks,
        digest=sha256.hexdigest(),
        filename=clean_filename(unquote(headers.get(b"x-filename", b"").decode("latin-1"))),
    )


async def _read_form(
    content_type: bytes, headers: Mapping[bytes, bytes], receive: Receive
) -> Upload:
    form = FormReader(content_type, image=ImagePart(max_bytes=MAX_IMAGE_BYTES))
    limit_bytes = MAX_IMAGE_BYTES + MAX_FORM_OVERHEAD_BYTES
    async for chunk in body_chunks(headers, receive, limit_bytes=limit_bytes):
        form.feed(chunk)
    image = form.finish()
    return Upload(
        chunks=image.chunks,
        digest=image.sha256.hexdigest(),
        filename=clean_filename(image.filename),
        fields=form.fields(),
    )


async def body_chunks(
    headers: Mapping[bytes, bytes], receive: Receive, *, limit_bytes: int
) -> AsyncIterator[bytes]:
    """Yield the body as it arrives.

    Raises:
        PayloadTooLargeError: before the first chunk when the length is announced, else as soon
            as the limit is passed.
        IncompleteBodyError: the client went away.
    """
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit():
        raise IncompleteBodyError("The Content-Length is no number.")
    # A number of too many digits is not even parsed: int() would refuse it.
    if len(announced) > _MAX_LENGTH_DIGITS or int(announced) > limit_bytes:
        raise PayloadTooLargeError(f"A body of at most {limit_bytes} bytes is taken.")
    received = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise IncompleteBodyError
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(chunk)
        if received > limit_bytes:
            raise PayloadTooLargeError(f"A body of at most {limit_bytes} bytes is taken.")
        if chunk:
            yield chunk


def clean_filename(name: str) -> str:
    """Return a client's file name fit to be shown: no control characters, 255 at most.

    It is never used as a path or a key.
    """
    name = name[:_MAX_FILENAME]
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else "_" for c in name)
