"""Who goes when there are more connections than there may be."""

import heapq
from collections.abc import Callable, Iterable
from typing import Final, Protocol

_SHARE: Final = 16
"""One in so many connections goes beyond what must: room is not made for each one alone."""
_PAUSE_S: Final = 0.05
"""Looking at all connections takes a millisecond or two; it is done no more often than this."""


class Member(Protocol):
    """A connection, as one of many."""

    def is_quiet(self) -> bool:
        """Say whether nobody would miss it: nothing of it is being read or answered."""
        ...

    def quiet_since(self) -> float:
        """Return since when."""
        ...

    def leave(self) -> None:
        """End it."""
        ...


class Crowd:
    """Makes room for newcomers: those who have been quiet longest go first.

    So a probe is answered also while somebody holds thousands of idle connections.
    """

    def __init__(self, most: int, *, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._looked_at = float("-inf")
        self._has_room = True

    def make_room(self, members: Iterable[Member], *, count: int) -> bool:
        """Say whether one more connection may stay, after others have been ended if need be.

        Args:
            members: all connections.
            count: of them.
        """
        if count <= self._most:
            return True
        now = self._clock()
        if now - self._looked_at > _PAUSE_S:
            self._looked_at = now
            quiet = [member for member in members if member.is_quiet()]
            surplus = count - self._most + count // _SHARE
            leaving = heapq.nsmallest(surplus, quiet, key=lambda m: m.quiet_since())
            for member in leaving:
                member.leave()
            self._has_room = bool(leaving)
        return self._has_room
