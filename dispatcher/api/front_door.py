"""The first thing that every request meets: guards, then a short way to the hot calls.

``POST /predict_async``, ``POST /predict`` and ``GET /result/<id>`` are answered before FastAPI's
layers of middleware and routing, which cost 20 to 30 µs a request; hashing apart, all the work of
a cache hit with a raw body takes about 35 µs. ``POST /process`` comes this way for its refusals:
its body is the longest of all.
Every other request, and these with a wrong method, goes on to the application; there the same
endpoints are routes, too, so that documentation and tests find them.
"""

import logging
from collections.abc import Callable
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import ASGIApp

from dispatcher.api.asgi import Endpoint, Receive, Scope, Send
from dispatcher.api.guards.bodies import (
    Body,
    UploadBody,
    UploadBudget,
    announced_bytes,
    announces_body,
    expects_continue,
)
from dispatcher.api.guards.lingering import STRANGERS_BYTES, send_and_linger
from dispatcher.api.guards.security_headers import choose_headers
from dispatcher.api.problems import request_problem, unexpected_problem
from dispatcher.api.tracing import begin_submission, log_fields, noting_status
from dispatcher.errors import ForbiddenError, RequestError, UnauthorizedError
from step_app.contract.spans import NO_TRACING, Tracer

_log = logging.getLogger(__name__)

RESULT_PREFIX: Final = "/result/"


class Doorkeeper(Protocol):
    """Decides whether a request may pass."""

    def admit(self, scope: Scope) -> None:
        """Return when it may.

        Raises:
            RequestError: it may not.
        """
        ...


class FrontDoor:
    """Pure ASGI in front of the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        submissions: dict[str, Endpoint],
        result: Endpoint,
        on_refused: Callable[[str], None],
        budget: UploadBudget,
        doorkeeper: Doorkeeper | None = None,
        tracer: Tracer = NO_TRACING,
    ) -> None:
        """Stand before an application.

        Args:
            app: takes every other request.
            submissions: endpoints that take images, by path.
            result: endpoint of ``GET /result/<id>``.
            on_refused: called with the code of every image that was refused.
            budget: what uploads may take up in memory.
            doorkeeper: asked before anything else; None lets everybody in.
            tracer: records the submissions.
        """
        self.app = app
        self._submissions = submissions
        self._result = result
        self._on_refused = on_refused
        self._budget = budget
        self._doorkeeper = doorkeeper
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._doorkeeper is not None:
            try:
                self._doorkeeper.admit(scope)
            except RequestError as exc:
                await self._turn_away(exc, scope, receive, send)
                return
        if scope["method"] == "POST" and scope["path"] in self._submissions:
            await self._submit(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"].startswith(RESULT_PREFIX):
            await self._fetch(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = choose_headers(scope["path"])(send)
        await self.app(scope, Body(scope, receive).receive, send)

    async def _fetch(self, scope: Scope, receive: Receive, send: Send) -> None:
        job_id = scope["path"].removeprefix(RESULT_PREFIX)
        if "/" in job_id:
            await self._pass_on(scope, receive, send)
            return
        scope["path_params"] = {"request_id": job_id}
        response = await _run(self._result, scope, receive, send)
        if response is not None:
            await response(scope, receive, send)

    async def _submit(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = begin_submission(self._tracer, scope)
        if not span.is_recorded:
            await self._take(scope, receive, send)
            return
        with span:
            await self._take(scope, receive, noting_status(span, send))

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = UploadBody(scope, receive, self._budget)
        endpoint = self._submissions[scope["path"]]
        try:
            response = await _run(endpoint, scope, body.receive, send, on_refused=self._on_refused)
        finally:
            body.release()
        if response is not None:
            # To read and throw away what is too much would take the time of those who are served.
            most_bytes = 0 if body.is_over_budget else None
            await send_and_linger(response, body, send, most_bytes=most_bytes)

    async def _turn_away(
        self, error: RequestError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request whose body nobody wants to see."""
        if scope["method"] == "POST" and scope["path"] in self._submissions:
            self._on_refused(error.code)
        response = request_problem(error)
        if not announces_body(scope):
            await response(scope, receive, send)
            return
        body = Body(scope, receive)
        is_stranger = isinstance(error, UnauthorizedError | ForbiddenError)
        is_small = 0 < announced_bytes(scope) <= STRANGERS_BYTES
        if (is_small or not is_stranger) and not expects_continue(scope):
            await body.take_what_is_there()  # if that is all of it, the connection can stay
        most_bytes = (STRANGERS_BYTES if is_small else 0) if is_stranger else None
        await send_and_linger(response, body, send, most_bytes=most_bytes)


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
        _log.exception("a request failed through our own fault", extra=log_fields(scope))
        return unexpected_problem()
    return None
