"""redis-py with everything set that decides how long a call can take.

Its defaults try again ten times, five seconds each, and switch features on by what the server
says. Here nothing is tried twice: a script that counts must not run again, and who asked knows
best what to do without an answer.
"""

import ssl
from typing import Any, Final

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dispatcher.errors import StartupError
from dispatcher.servers.urls import ServerUrl, parse_server_url, read_named_file

_FLAG: Final = "--redis-url"
_PORT: Final = 6379
_HEALTH_CHECK_S: Final = 10
"""A connection that was idle for so long is asked for a sign of life before it is used."""


def make_client(url: str, *, max_connections: int, deadline_s: float) -> Redis:
    """Return a client that opens connections when it is asked something.

    Args:
        url: ``redis[s]://user:password@host:port/database?ca_file=…``. Certificates are always
            verified, by the authorities of the system and those in ``ca_file``.
        max_connections: one more raises.
        deadline_s: for connecting, for sending and for each answer.

    Raises:
        StartupError: it is no such URL, or its file cannot be read.
    """
    parts = parse_server_url(url, flag=_FLAG, schemes=("redis", "rediss"), parameters=("ca_file",))
    tls: dict[str, Any] = {"context": _tls_context(parts)} if parts.scheme == "rediss" else {}
    pool = ConnectionPool(
        _TlsConnection if tls else Connection,
        max_connections=max_connections,
        host=parts.host,
        port=parts.port or _PORT,
        db=_database(parts),
        username=parts.username,
        password=parts.password,
        socket_timeout=deadline_s,
        socket_connect_timeout=deadline_s,
        health_check_interval=_HEALTH_CHECK_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        **tls,
    )
    return Redis.from_pool(pool)


def _database(parts: ServerUrl) -> int:
    if not parts.path:
        return 0
    if not (parts.path.isascii() and parts.path.isdigit()):
        raise StartupError(f"{_FLAG}: the URL's path is the number of a database")
    return int(parts.path)


def _tls_context(parts: ServerUrl) -> ssl.SSLContext:
    """Return what verifies whom a connection speaks to."""
    context = ssl.create_default_context()
    authorities = read_named_file(parts, "ca_file", flag=_FLAG)
    if authorities is not None:
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError) as exc:
            raise StartupError(f"{_FLAG}: the ca_file has no certificates in it") from exc
    return context


class _TlsConnection(SSLConnection):
    """One that shares its context: to read the system's authorities takes a tenth of a second."""

    def __init__(self, *, context: ssl.SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
        self.ssl_context.context = context
