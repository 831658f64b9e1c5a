"""Calls that an API server cannot answer now are made again, a few times and ever later."""

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


def _pause_s(error: ClusterError, tried: int) -> float:
    """Return how long to wait, in seconds; those who failed together come back apart."""
    asked_s = error.retry_after_s
    if asked_s is None:
        asked_s = _FIRST_PAUSE_S * 2**tried * random.random()
    return min(asked_s, _LONGEST_PAUSE_S)
