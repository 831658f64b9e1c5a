"""Pictures between two stages, for other jobs that begin the same way.

``[resize, sobel]`` and ``[resize, blur]`` on one photo run ``resize`` once: a picture that is kept
is taken up where it is, one that is being made is waited for.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from cachetools import LRUCache

from dispatcher.execution.pieces import Piece
from step_app.contract.limits import MAX_KEPT_BYTES

MAX_BYTES: Final = 64 * 1024 * 1024

Pieces = Sequence[Piece]


class StageCache:
    """The most recently used intermediate pictures by lineage, bounded by their bytes."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._kept: LRUCache[str, Pieces] = LRUCache(maxsize=max_bytes, getsizeof=_size)
        self._flights: dict[str, asyncio.Future[Pieces | None]] = {}

    async def find(self, lineages: Sequence[str | None]) -> tuple[int, Pieces] | None:
        """Return the last of these stages whose pictures are known, and the pictures.

        Waits when another job is making them.
        """
        for number in reversed(range(len(lineages))):
            lineage = lineages[number]
            if lineage is None:
                continue
            pieces: Pieces | None = self._kept.get(lineage)
            if pieces is None and lineage in self._flights:
                pieces = await asyncio.shield(self._flights[lineage])
            if pieces is not None:
                return number, pieces
        return None

    def take_off(self, lineages: Iterable[str | None]) -> list[str]:
        """Register pictures that the caller is about to make; return those that are its own.

        Each of them must be landed, whatever happens.
        """
        own = [name for name in lineages if name is not None and name not in self._flights]
        loop = asyncio.get_running_loop()
        for lineage in own:
            self._flights[lineage] = loop.create_future()
        return own

    def land(self, lineage: str, pieces: Pieces | None) -> None:
        """Hand out pictures to those who wait, and keep them; None when there are none."""
        self._flights.pop(lineage).set_result(pieces)
        if pieces is not None and _size(pieces) <= min(MAX_KEPT_BYTES, self._kept.maxsize):
            self._kept[lineage] = pieces

    def total_bytes(self) -> int:
        """Return the size of the pictures that are kept."""
        return int(self._kept.currsize)


def _size(pieces: Pieces) -> int:
    return sum(len(piece.image) for piece in pieces)
