"""What a blob store promises."""

from collections.abc import Mapping
from typing import Protocol


class BlobMissingError(Exception):
    """No bytes are kept under that digest."""


class BlobStore(Protocol):
    """Image bytes by their SHA-256.

    Promises of every backend: ``put`` returns once the bytes are kept; ``get`` gives exactly the
    bytes that were put. Every ``put`` and every ``hold`` is one hold on the bytes and every
    ``release`` ends one; bytes that nobody holds go.
    """

    async def start(self) -> None:
        """Open the backend."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def put(self, digest: str, data: bytes) -> None:
        """Keep bytes under their digest, 64 hexadecimal digits.

        Raises:
            StorageFullError: there is no space for them; what was kept before still is.
        """
        ...

    async def get(self, digest: str) -> bytes:
        """Return the bytes.

        Raises:
            BlobMissingError: they are not kept.
        """
        ...

    def hold(self, digest: str) -> bool:
        """Add one hold on bytes that are kept; False when they are not."""
        ...

    async def release(self, digest: str) -> None:
        """End one hold."""
        ...

    async def adopt(self, holds: Mapping[str, int]) -> list[str]:
        """Take over what an earlier process left; called once, after ``start``.

        Args:
            holds: how many holds there are on each digest; bytes of no other one are kept.

        Returns:
            The digests of which there are no bytes.
        """
        ...

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        ...
