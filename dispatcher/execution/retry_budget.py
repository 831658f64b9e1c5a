"""How many retries there may be, so that they do not make an outage worse.

A token bucket for each pool, as Envoy's retry budget and gRPC's retry throttling are for each set
of replicas: a tenth of a token for each answer, three tokens each second, one for each retry.
Retries that find no token wait; what they wait in are the few places of the consumer, so that new
work waits in the queue, which refuses what is too much.

After an outage all of them may come back soon: once ten answers in a row were good, each one
more gives two tokens.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """The numbers of a budget."""

    share: float = 0.1
    """Retries for each good answer."""
    min_per_s: float = 3.0
    """Retries each second when there are no good answers."""
    burst: float = 100.0
    """Most tokens: what a replica had on its hands when it died is tried elsewhere at once."""
    well_after: int = 10
    """Good answers in a row after which an outage counts as over."""
    well_share: float = 2.0
    """Retries for each good answer from then on."""


class RetryBudget:
    """Gives leave to retry."""

    def __init__(
        self, policy: BudgetPolicy | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy or BudgetPolicy()
        self._clock = clock
        self._tokens = self._policy.burst
        self._counted_at = clock()
        self._good_in_a_row = 0
        self._turn = asyncio.Lock()
        self._more = asyncio.Event()

    def note_answer(self) -> None:
        """Note that a replica answered an item as it should."""
        self._good_in_a_row += 1
        is_well = self._good_in_a_row > self._policy.well_after
        self._add(self._policy.well_share if is_well else self._policy.share)
        self._more.set()

    def note_failure(self) -> None:
        """Note an attempt that failed."""
        self._good_in_a_row = 0

    def try_take(self) -> bool:
        """Take a token if there is one and nobody waits for it."""
        return not self._turn.locked() and self._take()

    async def take(self) -> None:
        """Take a token as soon as there is one, in the order of asking."""
        async with self._turn:
            while not self._take():
                self._more.clear()
                missing_s = (1 - self._tokens) / self._policy.min_per_s
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(missing_s):
                        await self._more.wait()

    def _take(self) -> bool:
        now = self._clock()
        self._add((now - self._counted_at) * self._policy.min_per_s)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _add(self, tokens: float) -> None:
        self._tokens = min(self._tokens + tokens, self._policy.burst)
