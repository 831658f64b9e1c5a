"""Bare ASGI for the two calls that every image makes: submit and fetch.

FastAPI's parsing and dependency injection cost more than all the work that these calls do, so
they are plain ASGI applications behind ordinary routes; ``openapi`` documents them like the rest.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from dispatcher.errors import DuplicateFieldError, InvalidValueError, UnknownFieldError
from dispatcher.jobs import Priority
from step_app.contract.tiles import MAX_TILES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]

TENANT_KEY = "conveyor.tenant"
"""Where the guards leave, in a request's scope, the name of its API key's owner."""
BODY_KEY = "conveyor.release_body"
"""Where, in a request's scope, a function ends the account of its body's bytes."""
_MAX_FIELDS = 16
_MAX_DIGITS = 4
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def tenant_of(scope: Scope) -> str:
    """Return whose API key a request bears; empty while no keys are required."""
    tenant: str = scope.get(TENANT_KEY, "")
    return tenant


def let_go_of_body(scope: Scope) -> None:
    """Tell that nothing of a request's body is needed any more, long before its answer."""
    release = scope.get(BODY_KEY)
    if release is not None:
        release()


def encode_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is sent, everywhere byte by byte the same."""
    return _encode(document).encode()


async def send_json(
    send: Send,
    status: int,
    document: Mapping[str, Any],
    *,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send a JSON answer."""
    body = encode_json(document)
    start = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *(headers or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def read_query(scope: Scope, *, allowed: frozenset[str]) -> dict[str, str]:
    """Return the query's fields.

    Raises:
        RequestError: an unknown field, or one that is there twice.
    """
    raw: bytes = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError as exc:  # UnicodeDecodeError is one, too
        raise InvalidValueError("The query cannot be parsed.") from exc
    for name, _ in pairs:
        if name not in allowed:
            known = ", ".join(sorted(allowed))
            raise UnknownFieldError(f"The query has an unknown field; known: {known}.")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise DuplicateFieldError("The query has a field twice.")
    return fields


def parse_seconds(text: str, *, name: str, maximum: float) -> float:
    """Return a number of seconds from 0 to the maximum.

    Raises:
        InvalidValueError: it is none.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= maximum:  # also refuses NaN
        raise InvalidValueError(f"{name} is a number of seconds from 0 to {maximum:g}.")
    return seconds


def parse_flag(text: str, *, name: str) -> bool:
    """Return true or false.

    Raises:
        InvalidValueError: it is neither.
    """
    if text not in ("true", "false"):
        raise InvalidValueError(f"{name} is true or false.")
    return text == "true"


def parse_priority(text: str) -> Priority:
    """Return a priority.

    Raises:
        InvalidValueError: it is none.
    """
    if text not in ("0", "1", "2"):
        raise InvalidValueError("priority is 0 (high), 1 (normal) or 2 (bulk).")
    return Priority(int(text))


def parse_tiles(text: str) -> int:
    """Return a number of chunks.

    Raises:
        InvalidValueError: it is none.
    """
    if not (
        text.isascii()
        and text.isdigit()
        and len(text) < _MAX_DIGITS
        and 1 <= int(text) <= MAX_TILES
    ):
        raise InvalidValueError(f"tiles is a whole number from 1 to {MAX_TILES}.")
    return int(text)
