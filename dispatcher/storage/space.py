"""How much space is left for new work."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dispatcher.errors import StorageFullError

_ASK_AGAIN_S: Final = 0.5
_RETRY_AFTER_S: Final = 10


class Space:
    """Refuses new work while the disk, or the limit that was set, has only its reserve left."""

    def __init__(
        self,
        directory: Path,
        *,
        limit_bytes: int,
        reserve_percent: float,
        used_bytes: Callable[[], int],
    ) -> None:
        """Look after a directory.

        Args:
            directory: where everything is kept.
            limit_bytes: most bytes to use; 0 for as many as the disk has.
            reserve_percent: part of the limit, and of the disk, that new work may not touch.
            used_bytes: tells how many bytes are used at the moment.
        """
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._reserve = reserve_percent / 100
        self._used_bytes = used_bytes
        self._free_bytes = 0.0
        self._asked_at = float("-inf")

    def require(self, size_bytes: int) -> None:
        """Return when so many bytes of new work may be kept.

        Raises:
            StorageFullError: they would need the reserve.
        """
        if self.left_bytes() < size_bytes:
            raise StorageFullError(retry_after_s=_RETRY_AFTER_S)
        self._free_bytes -= size_bytes  # until the disk is asked again

    def total_bytes(self) -> int:
        """Return how many bytes there are in all, used or not."""
        return self._limit_bytes or shutil.disk_usage(self._directory).total

    def left_bytes(self) -> float:
        """Return how many bytes new work may use."""
        left = self._disk_left_bytes()
        if self._limit_bytes:
            allowed = self._limit_bytes * (1 - self._reserve)
            left = min(left, allowed - self._used_bytes())
        return left

    def _disk_left_bytes(self) -> float:
        """Return what the disk has; asked now and then, because that is a system call."""
        now = time.monotonic()
        if now - self._asked_at > _ASK_AGAIN_S:
            disk = shutil.disk_usage(self._directory)
            self._free_bytes = disk.free - disk.total * self._reserve
            self._asked_at = now
        return self._free_bytes
