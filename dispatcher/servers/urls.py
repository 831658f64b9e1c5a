"""Addresses of servers, taken apart without ever telling what is in them.

They have passwords in them, so no message, and no representation of a record, contains any part
of what could not be understood.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from dispatcher.errors import StartupError


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """An address in its parts, none of them percent-encoded."""

    scheme: str
    host: str
    port: int | None
    path: str
    """Without the slash that begins it."""
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)


def parse_server_url(
    url: str, *, flag: str, schemes: Collection[str], parameters: Collection[str] = ()
) -> ServerUrl:
    """Take an address apart.

    Args:
        url: ``scheme://user:password@host:port/path?name=value``.
        flag: the setting that it came from, for messages.
        schemes: those that are possible.
        parameters: names that are known; others are refused, because what they were meant to do
            would silently not happen.

    Raises:
        StartupError: it is no such address; the message tells nothing of it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        values = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise StartupError(f"{flag}: this is no URL") from None  # the cause quotes parts of it
    if parts.scheme not in schemes:
        raise StartupError(f"{flag}: the URL must begin with {_choices(schemes, '://')}")
    if not parts.hostname or parts.fragment:
        raise StartupError(f"{flag}: this is no URL with a host; a # or / in a password is %-coded")
    if not set(values) <= set(parameters) or any(len(value) > 1 for value in values.values()):
        known = f"each of {_choices(parameters)} once" if parameters else "none"
        raise StartupError(f"{flag}: of the URL's parameters only these are known: {known}")
    return ServerUrl(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        path=unquote(parts.path.removeprefix("/")),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        parameters={name: value[0] for name, value in values.items()},
    )


def read_named_file(url: ServerUrl, parameter: str, *, flag: str) -> bytes | None:
    """Return the content of the file that a parameter names; None when there is no parameter.

    Raises:
        StartupError: it cannot be read.
    """
    name = url.parameters.get(parameter)
    if name is None:
        return None
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise StartupError(f"{flag}: the {parameter} cannot be read: {exc.strerror}") from exc


def _choices(names: Collection[str], ending: str = "") -> str:
    return " or ".join(f"{name}{ending}" for name in names)
