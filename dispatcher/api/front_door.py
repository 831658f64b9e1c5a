"""The short way to the calls that every image makes.

``POST /predict_async`` and ``GET /result/<id>`` are answered before FastAPI's layers of middleware
and routing, which cost as much processor time as all the work of a cache hit. Every other request,
and these with a wrong method, goes on to the application; there the same endpoints are routes, too,
so that documentation and tests find them.
"""

import logging

from starlette.types import ASGIApp

from dispatcher.api.asgi import Endpoint, Receive, Scope, Send
from dispatcher.api.problems import request_problem, unexpected_problem
from dispatcher.errors import RequestError

_log = logging.getLogger(__name__)

RESULT_PREFIX = "/result/"


class FrontDoor:
    """Pure ASGI in front of the application."""

    def __init__(self, app: ASGIApp, *, submit: Endpoint, result: Endpoint) -> None:
        self.app = app
        self._submit = submit
        self._result = result

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._choose(scope) if scope["type"] == "http" else None
        if endpoint is None:
            await self.app(scope, receive, send)
            return
        try:
            await endpoint(scope, receive, send)
        except RequestError as exc:
            await request_problem(exc)(scope, receive, send)
        except Exception:
            _log.exception("a request failed through our own fault")
            await unexpected_problem()(scope, receive, send)

    def _choose(self, scope: Scope) -> Endpoint | None:
        path: str = scope["path"]
        if path == "/predict_async":
            return self._submit if scope["method"] == "POST" else None
        job_id = path.removeprefix(RESULT_PREFIX)
        if job_id == path or "/" in job_id or scope["method"] != "GET":
            return None
        scope["path_params"] = {"request_id": job_id}
        return self._result
