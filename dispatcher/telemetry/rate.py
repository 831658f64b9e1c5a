"""How often something happened lately."""

from collections import deque


class RateMeter:
    """Counts events by the second and forgets them after a minute."""

    def __init__(self, *, memory_s: int = 60) -> None:
        self._memory_s = memory_s
        self._buckets: deque[tuple[int, int]] = deque()

    def add(self, now: float) -> None:
        """Note one event at a monotonic time in seconds."""
        second = int(now)
        if self._buckets and self._buckets[-1][0] == second:
            self._buckets[-1] = (second, self._buckets[-1][1] + 1)
        else:
            self._buckets.append((second, 1))
            while self._buckets[0][0] <= second - self._memory_s:
                self._buckets.popleft()

    def per_second(self, now: float, *, window_s: int) -> float:
        """Return the events per second over the last ``window_s`` seconds."""
        return sum(count for _, count in self._within(now, window_s)) / window_s

    def _within(self, now: float, window_s: int) -> list[tuple[int, int]]:
        return [bucket for bucket in self._buckets if bucket[0] > int(now) - window_s]
