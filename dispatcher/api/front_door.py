"""The short way to the calls that every image makes.

``POST /predict_async``, ``POST /predict`` and ``GET /result/<id>`` are answered before FastAPI's
layers of middleware and routing, which cost 20 to 30 µs a request; hashing apart, all the work of
a cache hit with a raw body takes about 35 µs. ``POST /process`` comes this way for its refusals:
its body is the longest of all.
Every other request, and these with a wrong method, goes on to the application; there the same
endpoints are routes, too, so that documentation and tests find them.
"""

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from starlette.responses import Response
from starlette.types import ASGIApp

from dispatcher.api.asgi import Endpoint, Receive, Scope, Send
from dispatcher.api.problems import request_problem, unexpected_problem
from dispatcher.errors import RequestError

_log = logging.getLogger(__name__)

RESULT_PREFIX: Final = "/result/"
_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 32 * 1024 * 1024


class FrontDoor:
    """Pure ASGI in front of the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        submissions: dict[str, Endpoint],
        result: Endpoint,
        on_refused: Callable[[str], None],
    ) -> None:
        """Stand before an application.

        Args:
            app: takes every other request.
            submissions: endpoints that take images, by path.
            result: endpoint of ``GET /result/<id>``.
            on_refused: called with the code of every image that was refused.
        """
        self.app = app
        self._submissions = submissions
        self._result = result
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] in self._submissions:
            await self._submit(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"].startswith(RESULT_PREFIX):
            await self._fetch(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _fetch(self, scope: Scope, receive: Receive, send: Send) -> None:
        job_id = scope["path"].removeprefix(RESULT_PREFIX)
        if "/" in job_id:
            await self.app(scope, receive, send)
            return
        scope["path_params"] = {"request_id": job_id}
        response = await _run(self._result, scope, receive, send)
        if response is not None:
            await response(scope, receive, send)

    async def _submit(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        endpoint = self._submissions[scope["path"]]
        response = await _run(endpoint, scope, body.receive, send, on_refused=self._on_refused)
        if response is not None:
            await _send_and_linger(response, body, send)


async def _run(
    endpoint: Endpoint,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    on_refused: Callable[[str], None] = lambda _: None,
) -> Response | None:
    """Run an endpoint; return the problem to answer with when it refused or broke."""
    try:
        await endpoint(scope, receive, send)
    except RequestError as exc:
        on_refused(exc.code)
        return request_problem(exc)
    except Exception:
        _log.exception("a request failed through our own fault")
        return unexpected_problem()
    return None


class _Body:
    """Knows whether the body of a request was read to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_complete = False

    async def receive(self) -> MutableMapping[str, Any]:
        """Receive the next message."""
        message = await self._receive()
        if not message.get("more_body", False):
            self.is_complete = True
        return message


async def _send_and_linger(response: Response, body: _Body, send: Send) -> None:
    """Answer, and let the client finish what it is sending for a moment.

    A connection that is closed while data comes in is reset by the kernel, and the client, which
    is still sending, often never sees the answer. So the last byte of the answer is held back
    until the body has ended, or enough of it was thrown away.
    """
    if not body.is_complete:
        # What is still to come of the body would be read as the next request, or for nothing.
        response.headers["Connection"] = "close"
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **start})
    if not body.is_complete:
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        await _throw_away(body)
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": response.body})


async def _throw_away(body: _Body) -> None:
    received = 0
    try:
        async with asyncio.timeout(_LINGER_S):
            while not body.is_complete and received < _LINGER_BYTES:
                received += len((await body.receive()).get("body", b""))
    except TimeoutError:
        pass
