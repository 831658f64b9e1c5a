"""What a blob store promises."""

from collections.abc import Mapping
from typing import Protocol


class BlobMissingError(Exception):
    """No bytes are kept under that digest."""


class BlobStore(Protocol):
    """Image bytes by their SHA-256.

    Promises of every backend: ``put`` returns once the bytes are kept, as safely as the backend
    keeps anything by the time when the job or result that needs them is safe; ``get`` gives
    exactly the bytes that were put. Every ``put`` and every ``hold`` is one hold on the bytes and
    every ``release`` ends one; bytes that nobody holds go.
    """

    async def start(self) -> None:
        """Open the backend."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        """Keep bytes under their digest, 64 hexadecimal digits.

        Args:
            digest: SHA-256 of the bytes.
            data: the bytes.
            is_new_work: whether they may be refused to leave space for finishing what was
                accepted before; a backend that outlives the process then waits for space.

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

    async def tidy(self) -> None:
        """Give back space that nothing needs; called now and then."""
        ...

    def total_bytes(self) -> int:
        """Return how many bytes are kept."""
        ...
