"""An event loop whose clock stands still while the machine runs somebody else.

Where both sides of a call and its time limit share one process, a pause of that process, which a
busy machine may make at any moment, would run out the limit although the answer is there to be
read. Here a pause counts as no more than ``_LONGEST_STEP_S``, so that a time limit means what it
says however slow the machine is; waiting for something counts in full.
"""

import asyncio
import selectors
import time
from math import inf
from typing import Final

_LONGEST_STEP_S: Final = 0.05
_A_MOMENT_S: Final = 0.002


class _Clock:
    """Goes on with the real one, but for its pauses."""

    def __init__(self) -> None:
        self._now_s = self._read_s = time.monotonic()

    def read(self, *, at_most_s: float = _LONGEST_STEP_S) -> float:
        """Return the time in seconds.

        Args:
            at_most_s: how much of what has passed since the last reading counts.
        """
        real_s = time.monotonic()
        self._now_s += min(real_s - self._read_s, at_most_s)
        self._read_s = real_s
        return self._now_s


class _Selector(selectors.DefaultSelector):
    """Tells the clock for how long the loop waits."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.read()
        found = super().select(timeout)
        # What has arrived when the time is up was there first, as far as anybody can tell.
        wanted_s = inf if timeout is None else timeout - _A_MOMENT_S * bool(found)
        self._clock.read(at_most_s=max(0.0, wanted_s))
        return found


class SteadyLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self._steady_clock = _Clock()
        super().__init__(_Selector(self._steady_clock))

    def time(self) -> float:
        """Return the time in seconds, which is never ahead of the real one."""
        return self._steady_clock.read()
