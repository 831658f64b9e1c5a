"""Pictures between two stages, for other jobs that begin the same way.

``[resize, sobel]`` and ``[resize, blur]`` on one photo run ``resize`` once: a picture that is kept
is taken up where it is, one that is being made is waited for. What passes through the dispatcher
is kept here; what stays inside a replica that runs several stages is kept there, and here only
where it is.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from dispatcher.execution.pieces import Piece
from step_app.contract.limits import MAX_KEPT_BYTES

MAX_BYTES: Final = 64 * 1024 * 1024
_HOME_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Home:
    """The replica that has made a picture, and most likely still has it."""

    url: str


Known = Sequence[Piece] | Home


class StageCache:
    """The most recently used intermediate pictures by lineage, bounded by their bytes."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._kept: LRUCache[str, Known] = LRUCache(maxsize=max_bytes, getsizeof=_size)
        self._flights: dict[str, asyncio.Future[Known | None]] = {}

    async def find(self, lineages: Sequence[str | None]) -> tuple[int, Known] | None:
        """Return the last of these stages whose pictures are known, and what is known of them.

        Waits when another job is making them.
        """
        for number in reversed(range(len(lineages))):
            lineage = lineages[number]
            if lineage is None:
                continue
            known: Known | None = self._kept.get(lineage)
            if known is None and lineage in self._flights:
                known = await asyncio.shield(self._flights[lineage])
            if known is not None:
                return number, known
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

    def land(self, lineage: str, known: Known | None) -> None:
        """Tell those who wait, and remember it; None when there is nothing to tell."""
        self._flights.pop(lineage).set_result(known)
        if known is not None and _size(known) <= min(MAX_KEPT_BYTES, self._kept.maxsize):
            self._kept[lineage] = known

    def total_bytes(self) -> int:
        """Return the size of the pictures that are kept."""
        return int(self._kept.currsize)


def _size(known: Known) -> int:
    if isinstance(known, Home):
        return _HOME_BYTES
    return sum(len(piece.image) for piece in known)
