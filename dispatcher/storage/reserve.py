"""Space that is set aside, so that what was accepted can be finished on a full disk."""

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 8 * 1024 * 1024
_TRY_AGAIN_S: Final = 5.0
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_for_want_of_space(error: OSError) -> bool:
    """Say whether a write failed because the disk, or somebody's share of it, is full."""
    return error.errno in _NO_SPACE


class Reserve:
    """A file of nothing, removed when space is needed."""

    def __init__(self, path: Path, *, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._is_there = False
        self._try_again_at = 0.0

    def restore(self) -> bool:
        """Set the space aside, unless it was needed a moment ago; say whether it is."""
        if not self._is_there and time.monotonic() >= self._try_again_at:
            self._is_there = self._fill()
            self._try_again_at = time.monotonic() + _TRY_AGAIN_S
        return self._is_there

    def give_up(self) -> bool:
        """Free the space; False when there was none set aside."""
        self._is_there = False
        self._try_again_at = time.monotonic() + _TRY_AGAIN_S
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False

    def _fill(self) -> bool:
        """Have a file of the size; where none can be made for other reasons, do without it."""
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError as exc:
            self._path.unlink(missing_ok=True)
            return not is_for_want_of_space(exc)
        return True
