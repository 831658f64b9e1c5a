"""What a request's head may look like, beyond what the parser of HTTP demands."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from dispatcher.api.guards.patience import Limits
from dispatcher.errors import (
    BadRequestError,
    HeadersTooLargeError,
    RequestError,
    UriTooLongError,
)

Headers = Sequence[tuple[bytes, bytes]]

_NEWEST: Final = "1.1"
_VERSIONS: Final = ("1.0", _NEWEST)
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_END: Final = b"\r\n\r\n"


def find_fault(
    version: str, url: bytes, headers: Headers, limits: Limits, *, size_bytes: int
) -> RequestError | None:
    """Return why a head is refused; None when it is not.

    Args:
        version: of HTTP, as it was sent.
        url: as it was sent.
        headers: names in lower case.
        limits: of its size.
        size_bytes: of line and headers together, as far as it is known.
    """
    is_too_much = len(url) > limits.max_url_bytes or len(headers) > limits.max_headers
    if is_too_much or size_bytes > limits.max_head_bytes:
        return _find_excess(url, headers, limits)
    if version not in _VERSIONS:
        return BadRequestError("HTTP/1.1 and HTTP/1.0 are spoken here.")
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _is_host(value):
                return BadRequestError("The Host header names no host.")
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            return BadRequestError("The only Transfer-Encoding that is taken is chunked.")
    if hosts != 1 and (hosts or version == _NEWEST):
        return BadRequestError("A request has exactly one Host header.")
    return None


def length_of_head(data: bytes, limits: Limits) -> int:
    """Return how much of some bytes belongs to the head with which they begin, at most.

    Where a body follows in the same bytes, the head ends early.
    """
    end = data.find(_END, 0, limits.max_head_bytes)
    return len(data) if end < 0 else end


def without_upgrade(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """Return a head once more, without its wish for another protocol: one may be ignored."""
    kept = (
        name + b": " + value
        for name, value in headers
        if name not in (b"upgrade", b"connection", b"http2-settings")
    )
    line = b"%s %s HTTP/%s" % (method, url, version.encode())
    return b"\r\n".join([line, *kept, b"", b""])


def head_too_large(limits: Limits) -> RequestError:
    """Return the refusal of a head that is too long."""
    return HeadersTooLargeError(f"At most {limits.max_head_bytes} bytes of headers are taken.")


def _find_excess(url: bytes, headers: Headers, limits: Limits) -> RequestError:
    if len(url) > limits.max_url_bytes:
        return UriTooLongError()
    if len(headers) > limits.max_headers:
        return HeadersTooLargeError(f"At most {limits.max_headers} headers are taken.")
    return head_too_large(limits)


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
