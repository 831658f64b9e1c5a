"""What an object store is made of: the one in a cloud and the one in a directory both do this.

Deadlines, tries and the breaker are not theirs but ``objects``'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

PAGE: Final = 1000
"""Most objects that a listing tells at a time: as many as S3 does."""
CALLS: Final = 64
"""Most calls that are under way together; so many connections are there at most."""


class ObjectMissingError(Exception):
    """There is no object at that path."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing says of an object."""

    path: str
    size_bytes: int
    modified_at: datetime


class ObjectPages(Protocol):
    """A listing that is under way."""

    async def next(self) -> Sequence[ObjectInfo]:
        """Return the next objects, none at the end; after a failure it is asked again.

        Raises:
            AwayError: they cannot be told now.
        """
        ...


class ObjectBackend(Protocol):
    """Objects by path, the segments of which are parted by slashes.

    Everything raises ``AwayError`` when the store does not do what it should. What is put is safe
    once ``put`` returns, and seen by others wholly or not at all.
    """

    name: str
    """What it is called, for people."""

    async def look(self) -> None:
        """See whether the store answers and lets this process in."""
        ...

    async def put(self, path: str, data: bytes, *, only_if_absent: bool) -> bool:
        """Keep an object; False when there is one and none was to be replaced."""
        ...

    async def get(self, path: str) -> bytes:
        """Return an object, or raise ``ObjectMissingError``."""
        ...

    async def find(self, path: str) -> ObjectInfo | None:
        """Return what is known of an object."""
        ...

    async def remove(self, path: str) -> None:
        """Remove an object, if there is one."""
        ...

    def pages(self, folder: str) -> ObjectPages:
        """Begin to list all objects below a folder."""
        ...

    async def close(self) -> None:
        """Let go of what it works with."""
        ...
