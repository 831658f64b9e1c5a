"""How fast a queue is worked off, measured only while something waits in it.

A rate of what ended lately says little of what could have: in a minute with one job it is one a
minute. So time counts here for as long as jobs wait because replicas have enough to do, and then
alone; what has been measured stays true over any pause.
"""

from collections import deque
from typing import Final

_BUCKET_S: Final = 0.05
_WINDOW_S: Final = 10.0
_MAX_WINDOW_S: Final = 600.0
_ENOUGH: Final = 16
"""Jobs that are looked back for, however long they took."""
_FEW: Final = 4
"""With fewer than these nothing is known."""


class DrainMeter:
    """Counts what leaves one queue while jobs wait in it. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._busy_before_s = 0.0
        """Time that counts, until the present stretch of it."""
        self._busy_since: float | None = None
        self._ended: deque[tuple[float, int]] = deque()
        """Jobs by the time that counted when they ended, in buckets."""
        self._window_start_s = 0.0
        """Time that counted when the window began."""
        self._count = 0

    def note(self, *, is_waiting: bool, now: float) -> None:
        """Take note of whether jobs wait from now on."""
        if is_waiting and self._busy_since is None:
            self._busy_since = now
        elif not is_waiting and self._busy_since is not None:
            self._busy_before_s = self._busy_s(now)
            self._busy_since = None

    def add(self, now: float) -> None:
        """Take note of a job that ended."""
        if self._busy_since is None:
            return
        busy_s = self._busy_s(now)
        if self._ended and busy_s - self._ended[-1][0] < _BUCKET_S:
            self._ended[-1] = (self._ended[-1][0], self._ended[-1][1] + 1)
        else:
            self._ended.append((busy_s, 1))
        self._count += 1
        self._forget(busy_s)

    def per_second(self, now: float) -> float:
        """Return how many jobs end in a second while some wait; 0 when that is not known."""
        busy_s = self._busy_s(now)
        self._forget(busy_s)
        if self._count < _FEW:
            return 0.0
        return self._count / max(busy_s - self._window_start_s, _BUCKET_S)

    def _busy_s(self, now: float) -> float:
        since = now if self._busy_since is None else self._busy_since
        return self._busy_before_s + now - since

    def _forget(self, busy_s: float) -> None:
        """Let the window begin later, for as long as enough is left in it."""
        while self._ended:
            ended_s, count = self._ended[0]
            age_s = busy_s - ended_s
            if age_s <= _WINDOW_S or (age_s <= _MAX_WINDOW_S and self._count - count < _ENOUGH):
                return
            self._ended.popleft()
            self._count -= count
            self._window_start_s = ended_s
