"""Calls that an API server cannot do now are made again, a few times and ever later."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from dispatcher.topology.kubernetes.access import ClusterError

T = TypeVar("T")
_log = logging.getLogger(__name__)

_TRIES: Final = 3
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_CONFLICT: Final = "Conflict"
_CONFLICT_TRIES: Final = 8
_LONGEST_CONFLICT_PAUSE_S: Final = 1.0


async def persist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Do something that may be done twice; try again when the API server cannot now.

    Raises:
        ClusterError: it was refused, or not done in three tries.
    """
    for tried in range(1, _TRIES):
        try:
            return await attempt()
        except ClusterError as exc:
            if not exc.retryable:
                raise
            _log.warning("the API server is asked again: %s", exc)
            await asyncio.sleep(_pause_s(exc, tried))
    return await attempt()


async def outlast_conflicts(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make an object; try again when the API server was at odds with itself.

    It counts every new object of a namespace in its ResourceQuotas, and when several are made at
    a time it may give up counting: with the reason Conflict, and about the quota. Nothing was
    made then, and the next try comes through.

    Raises:
        ClusterError: it was refused, or not done in eight tries.
    """
    for tried in range(1, _CONFLICT_TRIES):
        try:
            return await attempt()
        except ClusterError as exc:
            if exc.reason != _CONFLICT:
                raise
            _log.info("an object is made again: %s", exc)
            await asyncio.sleep(min(_pause_s(exc, tried), _LONGEST_CONFLICT_PAUSE_S))
    return await attempt()


def _pause_s(error: ClusterError, tried: int) -> float:
    """Return how long to wait, in seconds; those who failed together come back apart."""
    asked_s = error.retry_after_s
    if asked_s is None:
        asked_s = _FIRST_PAUSE_S * 2**tried * random.random()
    return min(asked_s, _LONGEST_PAUSE_S)
