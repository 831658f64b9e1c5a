"""Which queues of the broker this process consumes, and how much of each at a time: decisions."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from dispatcher.queues.declarations import DEAD, queue_names

NO_ROOM_FOR_S: Final = 10.0
"""So long a lane is kept whose replicas have no room: they may only be starting anew."""
UNSERVED_FOR_S: Final = 60.0
"""After so long jobs that no dispatcher fetches are fetched by those that cannot do them either,
one at a time: every accepted job ends, these with the reason why nobody does them."""
_DEAD_AT_ONCE: Final = 10


class Demand:
    """What one process wants of the broker."""

    def __init__(
        self, *, prefetch_count: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Want nothing.

        Args:
            prefetch_count: how many messages of a queue are fetched ahead; 0 means as many as
                there is room for.
            clock: monotonic seconds.
        """
        self._fixed = prefetch_count
        self._clock = clock
        self._room: dict[str, int] | None = None
        """None while this process does not work on jobs at all."""
        self._prefetch: dict[str, int] = {}
        """Of the lanes that are consumed because there is, or just was, room."""
        self._full_since: dict[str, float] = {}
        self._unserved_since: dict[str, float] = {}
        self._is_leader = False

    @property
    def is_worker(self) -> bool:
        """Say whether this process works on jobs."""
        return self._room is not None

    def offer(self, room: Mapping[str, int] | None) -> bool:
        """Take note of the room in each lane; say whether anything else is wanted now.

        Args:
            room: by lane; empty while there is no pipeline, None while no jobs are taken.
        """
        before, had_room = self._prefetch, self._room is not None
        self._room = None if room is None else dict(room)
        now = self._clock()
        self._prefetch = {}
        for lane, places in (room or {}).items():
            if places > 0:
                self._full_since.pop(lane, None)
                self._prefetch[lane] = self._fixed or _rounded(places)
            elif lane in before and now - self._full_since.setdefault(lane, now) < NO_ROOM_FOR_S:
                self._prefetch[lane] = before[lane]
        return self._prefetch != before or had_room != self.is_worker

    def note_served(self, lanes: Mapping[str, bool], *, is_leader: bool) -> None:
        """Take note of the lanes in which there are messages.

        Args:
            lanes: whether anybody else consumes a lane.
            is_leader: whether this process is the one that minds those that nobody does.
        """
        now = self._clock()
        self._is_leader = is_leader
        self._unserved_since = {
            lane: self._unserved_since.get(lane, now)
            for lane, is_served in lanes.items()
            if not is_served and lane not in self._prefetch
        }

    def wanted(self) -> dict[str, int]:
        """Return the queues to consume, and how many messages of each to have at a time."""
        if self._room is None:
            return {}
        wanted = {DEAD: _DEAD_AT_ONCE}
        orphans = {lane: 1 for lane in self._unserved_since if self._is_orphan(lane)}
        for lane, prefetch in (orphans | self._prefetch).items():
            wanted.update(dict.fromkeys(queue_names(lane).values(), prefetch))
        return wanted

    def lanes(self) -> Collection[str]:
        """Return the lanes that this process was told of."""
        return set(self._room or ())

    def _is_orphan(self, lane: str) -> bool:
        since = self._unserved_since.get(lane)
        is_old = since is not None and self._clock() - since >= UNSERVED_FOR_S
        return is_old and self._is_leader


def _rounded(places: int) -> int:
    """Return the next power of two: a count that changes seldom, for each change costs returns."""
    return 1 << (places - 1).bit_length()
