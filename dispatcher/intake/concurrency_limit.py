"""How many submissions are kept at the same time, where servers keep them: a limit that adapts.

What more clients ask of servers that are as busy as they can be only takes time from those whose
turn it is: each is then broken off after some seconds, is undone, which costs as much again, and
comes back. Such an overload outlives what caused it ("Metastable Failures in the Wild", Huang et
al., OSDI 2022). So whoever comes beyond the limit waits for a moment, as a burst may, and is then
refused before any server is asked.

The limit follows the time that it takes. It grows by one a round while all goes well (additive
increase: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion
avoidance", 1989). Once one has been under way for too long, whether or not it has ended, the limit
falls. As many are under way as are done a second, times the seconds that each takes (Little, "A
proof for the queuing formula L = λW", 1961). So when more are under way than were done in the time
that one may take, the limit falls at once to that number. To find it step by step takes rounds,
each as long as the overload makes it.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import OverloadedError

_RETRY_AFTER_S: Final = (1, 3)


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """The numbers of the decisions below."""

    least: int = 2
    most: int = 32
    slow_s: float = 1.0
    """Whoever waits longer would have been better off elsewhere, or later."""
    decrease: float = 0.7
    """Part of the limit that is left at most when something is slow."""
    most_waiting: int = 512
    wait_s: float = 2.0
    """How long one that comes beyond the limit waits; a part of what a client waits in all, so it
    is less by what each takes: who has its turn too late is broken off and was done for nothing."""
    least_wait: float = 0.1
    """Part of that which it waits in any case."""


class ConcurrencyLimit:
    """Counts what is under way, and lets no more begin than the limit."""

    def __init__(
        self,
        policy: LimitPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        self._policy = policy or LimitPolicy()
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._limit = float(self._policy.most)
        self._decreased_at = clock()
        self._began: dict[object, float] = {}
        """When those under way began, the oldest first."""
        self._promised = 0
        """Places of those who have waited and have not begun yet."""
        self._ended: deque[float] = deque()
        """When those ended that were neither refused nor given up, of the last ``slow_s``."""
        self._took_s, self._took_at = 0.0, clock()
        """As long as the last of them took, or one that took too long, and when that was."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Most that may be under way now."""
        return int(self._limit)

    def check(self) -> None:
        """Return when one more may come.

        Raises:
            OverloadedError: as many as may are under way, and as many as may wait for them.
        """
        if len(self._waiting) >= self._policy.most_waiting:
            raise self._refusal()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Count one as under way; how long it takes changes the limit.

        Raises:
            OverloadedError: as many as may are under way, and none ended soon.
        """
        self.check()
        self._look(self._clock())
        if self._waiting or self._under_way >= self.limit:
            await self._wait()
            self._promised -= 1
        one = object()
        self._began[one] = self._clock()
        is_done = False
        try:
            yield
            is_done = True
        finally:
            self._note(one, is_done=is_done)
            self._go_on()

    @property
    def _under_way(self) -> int:
        return len(self._began) + self._promised

    @property
    def _wait_s(self) -> float:
        policy = self._policy
        is_news = self._clock() < self._took_at + policy.wait_s
        took_s = self._took_s if is_news else 0.0
        return max(policy.least_wait * policy.wait_s, policy.wait_s - took_s)

    async def _wait(self) -> None:
        """Wait for a place, which is taken when this returns; first come, first served."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._wait_s):
                await place
        except BaseException as exc:
            if place in self._waiting:
                self._waiting.remove(place)
            if place.done() and not place.cancelled():  # it came at the same moment
                self._promised -= 1
                self._go_on()
            if isinstance(exc, TimeoutError):
                raise self._refusal() from exc
            raise

    def _go_on(self) -> None:
        """Give the places that are free to those who wait."""
        while self._waiting and self._under_way < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._promised += 1
                place.set_result(None)

    def _refusal(self) -> OverloadedError:
        return OverloadedError(
            "More is being accepted already than can be kept in time.",
            retry_after_s=self._jitter.randint(*_RETRY_AFTER_S),
        )

    def _note(self, one: object, *, is_done: bool) -> None:
        """Take note that one has ended."""
        now = self._clock()
        if is_done:
            self._ended.append(now)
        self._look(now)
        took_s = now - self._began.pop(one)
        is_slow = took_s >= self._policy.slow_s
        if is_done or is_slow:  # a refusal at once says nothing about the servers
            self._took_s, self._took_at = took_s, now
        if is_done and not is_slow:
            self._limit = min(self._policy.most, self._limit + 1 / self._limit)

    def _look(self, now: float) -> None:
        """Lower the limit when one of those under way is slow."""
        while self._ended and self._ended[0] <= now - self._policy.slow_s:
            self._ended.popleft()
        for began_at in self._began.values():
            if now - began_at < self._policy.slow_s:
                break
            if began_at >= self._decreased_at:  # else it began under a limit that is no more
                self._lower(now)

    def _lower(self, now: float) -> None:
        policy, done = self._policy, len(self._ended)
        lower = self._limit * policy.decrease
        # Else only as many came, or one was unlucky, and that says nothing about what can be done.
        if self._under_way > max(policy.least, done):
            lower = min(lower, done)
        self._limit = max(policy.least, lower)
        self._decreased_at = now
