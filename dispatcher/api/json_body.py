"""A JSON document as the body of a request: bounded, and read strictly."""

import asyncio
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from dispatcher.errors import (
    IncompleteBodyError,
    PayloadTooLargeError,
    RequestError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from dispatcher.pipelines.strict_json import NestedTooDeeplyError, load_json

MAX_BODY_BYTES: Final = 256 * 1024
_THROWN_AWAY_BYTES: Final = 4 * 1024 * 1024
"""Of a body that is too long, read so that a client that still sends sees the refusal."""
_TIMEOUT_S: Final = 10.0
"""Within which the whole body has to arrive."""


async def read_json(request: Request, *, max_depth: int, invalid: type[RequestError]) -> Any:
    """Return the document that a request brings.

    Args:
        request: whose body was not read yet.
        max_depth: most levels of the document.
        invalid: raised when the body is no such document.

    Raises:
        RequestError: the body is too long or too slow, of another media type, or invalid.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedEncodingError("Send the body as it is.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Strict on purpose: a page of another site cannot send this type without being asked first.
    if media_type != "application/json":
        raise UnsupportedMediaTypeError("Send application/json.")
    body = await _read_body(request)
    try:
        return load_json(body.decode(), max_depth=max_depth)
    except NestedTooDeeplyError as exc:
        raise invalid("The document is nested too deeply.") from exc
    except ValueError as exc:  # UnicodeDecodeError is one, too
        raise invalid("The body is not valid JSON.") from exc


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    received = 0
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async for chunk in request.stream():
                received += len(chunk)
                if received <= MAX_BODY_BYTES:
                    chunks.append(chunk)
                elif received > _THROWN_AWAY_BYTES:
                    break
    except TimeoutError as exc:
        raise IncompleteBodyError("The body did not arrive in time.") from exc
    except ClientDisconnect as exc:
        raise IncompleteBodyError from exc
    if received > MAX_BODY_BYTES:
        raise PayloadTooLargeError(f"At most {MAX_BODY_BYTES} bytes are taken.")
    return b"".join(chunks)
