"""Why Redis could not be asked, in words for people that name no address and no command."""

import socket
import ssl
from collections.abc import Iterator
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from dispatcher.servers.watch import AwayError, RefusedError

_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ssl.SSLCertVerificationError, "Redis' certificate cannot be verified"),
    (ssl.SSLError, "Redis speaks no TLS, or another one"),
    (socket.gaierror, "the name of Redis' host is unknown"),
    (ConnectionRefusedError, "Redis refuses the connection"),
    (AuthenticationError, "Redis refuses the credentials"),
    (AuthenticationWrongNumberOfArgsError, "Redis refuses the credentials"),
    (NoPermissionError, "Redis does not permit what is needed"),
    (BusyLoadingError, "Redis is loading its data"),
    (ReadOnlyError, "Redis is a replica that takes no changes"),
    (ClusterDownError, "Redis is without a primary"),
    (MovedError, "Redis is a cluster; one that is none is needed"),
    (OutOfMemoryError, "Redis has no memory left"),
    (RedisTimeoutError, "Redis does not answer in time"),
    (TimeoutError, "Redis does not answer in time"),
    (ResponseError, "Redis refuses a command"),
)
_REFUSED: Final = (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    NoPermissionError,
)
"""What may be wrong with this dispatcher alone."""
_AWAY: Final = (*_REFUSED, ReadOnlyError, ClusterDownError, MovedError)


def reason_of(error: BaseException) -> str:
    """Return why a call failed; what an error was made from says more than the error."""
    causes = list(_causes(error))
    for kind, reason in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return reason
    return "the connection to Redis broke"


def away(error: BaseException) -> AwayError:
    """Return what a failed call means."""
    is_refused = any(isinstance(cause, _REFUSED) for cause in _causes(error))
    return (RefusedError if is_refused else AwayError)(reason_of(error))


def is_refusal(error: ResponseError) -> bool:
    """Say whether Redis is well and only this command was refused."""
    return not isinstance(error, _AWAY)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
