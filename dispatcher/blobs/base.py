"""What a blob store promises."""

from collections.abc import Mapping
from typing import Protocol


class BlobMissingError(Exception):
    """No bytes are kept under that digest."""


class BlobCorruptError(Exception):
    """The bytes that are kept under that digest are not those that were put."""


class BlobStore(Protocol):
    """Image bytes by their SHA-256.

    Promises of every backend: ``put`` returns once the bytes are kept, as safely as the backend
    keeps anything by the time when the job or result that needs them is safe; ``get`` gives
    exactly the bytes that were put. Every ``put`` and every ``hold`` is one hold on the bytes and
    every ``release`` ends one; bytes that nobody holds go. A store that several dispatchers share
    counts no holds: there bytes go some time after they were last put or held.
    """

    def unready(self) -> str | None:
        """Say, for people, what of the backend cannot be reached; None when all of it can."""
        ...

    async def start(self) -> None:
        """Open the backend; one on another machine is waited for by nobody, see ``unready``."""
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
            StorageUnavailableError: it cannot be told whether they are kept; within seconds.
        """
        ...

    async def get(self, digest: str) -> bytes:
        """Return the bytes.

        Raises:
            BlobMissingError: they are not kept.
            BlobCorruptError: what is kept are other bytes.
            StorageUnavailableError: they cannot be read now; within seconds.
        """
        ...

    async def hold(self, digest: str) -> bool:
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
