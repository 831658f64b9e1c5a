"""Pictures between two operations, kept where they were made, for chains that begin the same way.

The dispatcher sends a chain to the replica that has its beginning; nothing travels for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cachetools import LRUCache

from step_app.contract.limits import MAX_KEPT_BYTES
from step_app.steps.operation import Pixels

MAX_BYTES: Final = 64 * 1024 * 1024
_BESIDE_BYTES: Final = 1024
"""What a picture takes beside its pixels: without it tiny ones would hardly ever be forgotten."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One picture on its way through a chain."""

    pixels: Pixels
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the operations so far had to say of it."""


class PictureCache:
    """The most recently used pictures by image and operations so far, bounded by their bytes.

    Used by one thread. What is kept is never written to: operations make new pictures.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._kept: LRUCache[str, Sequence[Piece]] = LRUCache(maxsize=max_bytes, getsizeof=_size)

    def find(self, names: Sequence[str]) -> tuple[int, Sequence[Piece]]:
        """Return how many of these operations are done already, and their pictures.

        Args:
            names: of the pictures after each operation, in order.

        Returns:
            0 and nothing when none is.
        """
        for number in reversed(range(len(names))):
            pieces = self._kept.get(names[number])
            if pieces is not None:
                return number + 1, pieces
        return 0, ()

    def keep(self, name: str, pieces: Sequence[Piece]) -> None:
        """Keep pictures, unless they are too large to be worth it."""
        if _pixels_size(pieces) <= MAX_KEPT_BYTES and _size(pieces) <= self._kept.maxsize:
            self._kept[name] = pieces


def _size(pieces: Sequence[Piece]) -> int:
    return _pixels_size(pieces) + _BESIDE_BYTES * len(pieces)


def _pixels_size(pieces: Sequence[Piece]) -> int:
    return sum(piece.pixels.nbytes for piece in pieces)
