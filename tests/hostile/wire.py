"""HTTP by hand: what is sent may be wrong in any way, and an early answer is always seen.

A client library gives up when a server answers and closes while it is still sending.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 60.0
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    media_type: str
    body: bytes
    after_s: float
    """From the first byte sent until the status line."""

    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem; empty when it is none."""
        if self.media_type != "application/problem+json":
            return ""
        code: str = self.document()["code"]
        return code


def send(
    url: str,
    body: bytes | Sequence[bytes],
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    is_chunked: bool = False,
) -> Answer:
    """POST a body and return the answer, which may come before the body has been sent."""
    parts = urlsplit(url)
    pieces = [body] if isinstance(body, bytes) else body
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1".encode(), f"Host: {parts.netloc}".encode()]
    lines += [name + b": " + value for name, value in headers]
    if is_chunked:
        lines.append(b"Transfer-Encoding: chunked")
    else:
        lines.append(b"Content-Length: %d" % sum(map(len, pieces)))
    head = b"\r\n".join([*lines, b"Connection: close", b"", b""])
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), _TIMEOUT_S) as connection:
        started = time.monotonic()
        sender = threading.Thread(
            target=_send_all, args=(connection, head, _chunked(pieces) if is_chunked else pieces)
        )
        sender.start()
        response = http.client.HTTPResponse(connection, method="POST")
        try:
            response.begin()
            after_s = time.monotonic() - started
            answered = response.read()
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            sender.join(_TIMEOUT_S)
            response.close()
    media_type = (response.getheader("content-type") or "").partition(";")[0]
    return Answer(response.status, media_type, answered, after_s)


def _send_all(connection: socket.socket, head: bytes, pieces: Iterable[bytes]) -> None:
    with contextlib.suppress(OSError):  # the server has heard enough
        connection.sendall(head)
        for piece in pieces:
            connection.sendall(piece)


def _chunked(pieces: Iterable[bytes]) -> Iterable[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _CHUNK_BYTES):
            chunk = piece[start : start + _CHUNK_BYTES]
            yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"
