"""The least that any server of uploads does: read the body, take its SHA-256, answer."""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer every request with the digest of its body."""
    assert scope["type"] == "http"
    sha256 = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        sha256.update(message.get("body", b""))
        more = message.get("more_body", False)
    body = sha256.hexdigest().encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
