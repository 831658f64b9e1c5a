"""When to look for a result: at once where the service holds the answer, else in good time. Pure.

Where answers are not held, the first look comes when a tenth of the images are usually done, the
next ones after pauses of 1.5 to 10 ms. So a result is seen a few milliseconds after it is there,
with two or three looks an image, as long as the service takes about as long for each.
"""

from bisect import bisect_left, insort
from collections import deque
from http import HTTPStatus

from load_tester.errors import FailedError

WAIT_S = 20
# A look without a result that took this long was held, if only as long as the service cares to.
HELD_S = 0.5
FIRST_PAUSE_S = 0.0015
PAUSE_GROWTH = 1.5
LONGEST_PAUSE_S = 0.01
# Of a job that takes long, a hundredth more is still a good figure, and spares many looks.
PAUSE_SHARE = 0.01
# While the service is broken or busy, there is nothing to measure.
LONGEST_BROKEN_PAUSE_S = 0.25
# A service that asks for a longer pause is asked again after this all the same.
LONGEST_RETRY_AFTER_S = 5.0

_LOST = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class ServiceTimes:
    """How long the latest jobs took, from ticket to result, in seconds."""

    KEPT = 100
    QUANTILE = 0.1

    def __init__(self) -> None:
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def first_look_s(self) -> float:
        """Return after how long a tenth of the jobs are done; 0 while nothing is known."""
        if not self._sorted:
            return 0.0
        return self._sorted[int(len(self._sorted) * self.QUANTILE)]

    def add(self, *, before_s: float, seen_s: float) -> None:
        """Note a job that was not done `before_s` after its ticket, but was `seen_s` after it.

        One that was done at the first look may have been so for long: it counts as faster by
        what a second look would have cost, so that the first look moves forward.
        """
        value_s = (before_s + seen_s) / 2 if before_s else max(0.0, seen_s - LONGEST_PAUSE_S / 2)
        if len(self._latest) == self.KEPT:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(value_s)
        insort(self._sorted, value_s)


class Habits:
    """What the looks so far have told of one service: whether it holds answers, and its times."""

    def __init__(self) -> None:
        self.times = ServiceTimes()
        self.is_held = True


class Looks:
    """The looks at one job: when the next one is due, and what they have told."""

    def __init__(self, habits: Habits, *, accepted_s: float, is_done: bool) -> None:
        """Begin with the moment of the ticket, which may say that the job is done already."""
        self._habits = habits
        self._accepted_s = accepted_s
        self._is_done = is_done
        self._asked_s = accepted_s
        self._missed_s = accepted_s
        self._gap_s = 0.0
        self._broken_pause_s = 0.0
        self.pause_s = 0.0 if habits.is_held or is_done else habits.times.first_look_s()
        """How long to wait before the next look, in seconds."""
        self.count = 0

    def begin(self, now_s: float) -> None:
        """Note that a look begins."""
        self.count += 1
        self._asked_s = now_s

    def note_broken(self) -> None:
        """Note that the connection broke before an answer came."""
        self._pause_broken(0.0)

    def note_missed(self, status: int, *, retry_after_s: float, now_s: float) -> None:
        """Note an answer without a result; raises FailedError when there never will be one."""
        if not is_under_way(status):
            self._pause_broken(retry_after_s)
            return
        self._missed_s = self._asked_s
        self._habits.is_held = now_s - self._asked_s >= HELD_S
        self._gap_s = next_pause_s(self._gap_s, elapsed_s=now_s - self._accepted_s)
        self.pause_s = 0.0 if self._habits.is_held else self._gap_s

    def note_found(self, now_s: float) -> None:
        """Note that the result is there."""
        if not self._is_done:
            self._habits.times.add(
                before_s=self._missed_s - self._accepted_s, seen_s=now_s - self._accepted_s
            )

    def _pause_broken(self, retry_after_s: float) -> None:
        pause_s = next_broken_pause_s(self._broken_pause_s, retry_after_s=retry_after_s)
        self.pause_s = self._broken_pause_s = pause_s


def next_pause_s(previous_s: float, *, elapsed_s: float) -> float:
    """Return the pause before the next look, `elapsed_s` seconds after the ticket."""
    grown_s = min(max(previous_s * PAUSE_GROWTH, FIRST_PAUSE_S), LONGEST_PAUSE_S)
    return max(grown_s, elapsed_s * PAUSE_SHARE)


def next_broken_pause_s(previous_s: float, *, retry_after_s: float) -> float:
    """Return the pause before the next look at a service that is broken or busy, in seconds."""
    grown_s = min(max(previous_s * PAUSE_GROWTH, FIRST_PAUSE_S), LONGEST_BROKEN_PAUSE_S)
    return max(grown_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))


def is_under_way(status: int) -> bool:
    """Tell whether a look without a result found the job under way (True) or the service broken.

    Raises FailedError when the job is lost or the answer is an error of the request's.
    """
    if status in _LOST:
        raise FailedError(f"lost_{status}")
    if status == HTTPStatus.ACCEPTED:
        return True
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    raise FailedError(f"http_{status}")


def read_retry_after(text: str) -> float:
    """Return the pause that a `Retry-After` header asks for, in seconds; 0 without a number.

    That of a 202 is too coarse to measure with and is left alone.
    """
    return float(text) if text.isdecimal() and text.isascii() else 0.0
