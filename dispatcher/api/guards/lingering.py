"""Answering before the body was read, so that the client sees why.

A connection that is closed while data comes in is reset by the kernel, and the client, which is
still sending, often never sees the answer. So the last byte of the answer is held back until the
body has ended, or enough of it was thrown away.
"""

import asyncio
from typing import Final

from starlette.responses import Response

from dispatcher.api.asgi import Send
from dispatcher.api.guards.bodies import Body
from dispatcher.errors import RequestError

_LINGER_S: Final = 10.0
_QUIET_S: Final = 2.0
"""A client that has sent nothing for so long is not waiting for its body to be taken."""
_LINGER_BYTES: Final = 32 * 1024 * 1024
STRANGERS_BYTES: Final = 64 * 1024
"""Most that is read of the body of somebody who has no business here."""


async def send_and_linger(
    response: Response, body: Body, send: Send, *, most_bytes: int | None = None
) -> None:
    """Answer, and let the client finish what it is sending for a moment.

    Args:
        response: the whole answer.
        body: of the request.
        send: ASGI's send callable.
        most_bytes: how much of the body is read and thrown away.
    """
    if body.is_complete:
        await _send_start(response, send)
        await send({"type": "http.response.body", "body": response.body})
        return
    # What is still to come of the body would be read as the next request, or for nothing.
    response.headers["Connection"] = "close"
    await _send_start(response, send)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await _throw_away(body, most_bytes=_LINGER_BYTES if most_bytes is None else most_bytes)
    await send({"type": "http.response.body", "body": b""})


async def _send_start(response: Response, send: Send) -> None:
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **start})


async def _throw_away(body: Body, *, most_bytes: int) -> None:
    received = 0
    try:
        async with asyncio.timeout(_LINGER_S):
            while not body.is_complete and received < most_bytes:
                received += await _receive_soon(body)
            if not body.is_complete and most_bytes < _LINGER_BYTES:
                # No more is read, but the answer needs a moment to get through.
                await asyncio.sleep(_QUIET_S)
    except TimeoutError:
        pass


async def _receive_soon(body: Body) -> int:
    """Throw away the next part of a body and return its size.

    Raises:
        TimeoutError: nothing comes.
    """
    async with asyncio.timeout(_QUIET_S):
        try:
            return len((await body.receive()).get("body", b""))
        except RequestError:
            return 0  # it will never be complete; the client may still be sending
