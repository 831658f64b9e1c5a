"""Errors as ``application/problem+json`` (RFC 9457) with a stable ``code``."""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dispatcher.errors import RequestError

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
_FRAMEWORK_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad_request", "The request is malformed"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
}

PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": "A problem.", "content": {PROBLEM_MEDIA_TYPE: {}}}
    for status in (404, 410, 422)
}
"""What a route that reads one record may answer beside it, for the OpenAPI document."""


def problem(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document; ``detail`` never holds what the client sent."""
    document = {
        "type": f"/docs#{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": str(uuid.uuid4()),
    }
    return Response(
        json.dumps(document),
        status_code=status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers={
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        },
    )


def request_problem(error: RequestError) -> Response:
    """Return the problem document of a refused request."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="conveyor"'
    if error.status in (400, 408, 413, 414, 415, 431):
        # The rest of the body is not read; what follows on this connection would be misread.
        headers["Connection"] = "close"
    return problem(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        headers=headers,
    )


async def answer_request_error(_: Request, exc: Exception) -> Response:
    """Answer a refused request."""
    assert isinstance(exc, RequestError)
    return request_problem(exc)


async def answer_http_error(_: Request, exc: Exception) -> Response:
    """Answer what the framework refused: an unknown path, a wrong method."""
    assert isinstance(exc, HTTPException)
    code, title = _FRAMEWORK_PROBLEMS.get(exc.status_code, ("http_error", "The request failed"))
    return problem(
        status=exc.status_code, code=code, title=title, detail=f"{title}.", headers=exc.headers
    )


async def answer_validation_error(_: Request, exc: Exception) -> Response:
    """Answer a query that does not parse, naming the field and not echoing the value."""
    errors: Any = getattr(exc, "errors", list)()
    where = ".".join(str(part) for part in errors[0]["loc"]) if errors else "request"
    return problem(
        status=422,
        code="invalid_value",
        title="A value is invalid",
        detail=f"{where}: {errors[0]['msg']}." if errors else "A value is invalid.",
    )


def unexpected_problem() -> Response:
    """Return the problem document of our own failure; the log has the trace."""
    return problem(
        status=500,
        code="internal_error",
        title="Internal error",
        detail="The request failed through no fault of yours.",
    )


async def answer_unexpected(_: Request, __: Exception) -> Response:
    """Answer our own failure."""
    return unexpected_problem()
