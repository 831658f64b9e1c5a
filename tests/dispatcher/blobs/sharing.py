"""A blob store in an object store, at any time of the calendar."""

import time
from collections.abc import Awaitable, Callable

from dispatcher.blobs.objects import ObjectBlobStore
from dispatcher.servers.objects import ObjectStore

RETENTION_S = 1000.0


async def always() -> bool:
    """Let every dispatcher tidy."""
    return True


class Calendar:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


def blobs_over(
    objects: ObjectStore,
    *,
    clock: Callable[[], float] = time.time,
    may_tidy: Callable[[], Awaitable[bool]] = always,
) -> ObjectBlobStore:
    """Return the store of one dispatcher."""
    return ObjectBlobStore(objects, retention_s=RETENTION_S, may_tidy=may_tidy, clock=clock)
