"""Headers that keep browsers from making more of an answer than it is.

An answer that sets one of them itself keeps its own: pages and pictures know better.
"""

import base64
import hashlib
import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from dispatcher.api.asgi import Send

_Message = MutableMapping[str, Any]
_POLICY: Final = b"content-security-policy"
_DEFAULTS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_DOCS_POLICY: Final = (
    b"default-src 'none'; script-src 'self' %s; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def with_security_headers(send: Send) -> Send:
    """Return a send callable that adds what an answer lacks."""

    async def send_with_headers(message: _Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _completed(message["headers"])
        await send(message)

    return send_with_headers


def with_docs_policy(send: Send) -> Send:
    """Return a send callable for the page that explains the API, which others wrote.

    Of the scripts that stand in the page itself exactly those that are there may run.
    """
    held: list[_Message] = []

    async def send_page(message: _Message) -> None:
        if message["type"] == "http.response.start":
            held.append(message)
            return
        for start in held:
            hashes = b" ".join(map(_source, _INLINE_SCRIPT.findall(message.get("body", b""))))
            start["headers"] = [*start["headers"], (_POLICY, _DOCS_POLICY % hashes)]
            await send(start)
        held.clear()
        await send(message)

    return send_page


def choose_headers(path: str) -> Callable[[Send], Send]:
    """Return what an answer under this path is sent through."""
    if path == "/docs":
        return lambda send: with_docs_policy(with_security_headers(send))
    return with_security_headers


def _source(script: bytes) -> bytes:
    return b"'sha256-%s'" % base64.b64encode(hashlib.sha256(script).digest())


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = {name.lower() for name, _ in headers}
    completed = [(name, _relative(name, value)) for name, value in headers]
    return completed + [(name, value) for name, value in _DEFAULTS if name not in own]


def _relative(name: bytes, value: bytes) -> bytes:
    """Return a redirection without its host: that is what the client said, and may be a lie."""
    if name.lower() != b"location":
        return value
    parts = urlsplit(value)
    # A path of two slashes would be read as a host.
    path = b"/" + parts.path.lstrip(b"/")
    return path + (b"?" + parts.query if parts.query else b"")
