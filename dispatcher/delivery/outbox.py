"""Webhooks that are still to be delivered, by when to try next."""

import asyncio
import contextlib
import heapq
import itertools
import time

from dispatcher.delivery.schedule import MAX_DELAY_S
from dispatcher.jobs import Delivery


class Outbox:
    """Tells whoever sends when something is due.

    Points in time of the records are Unix seconds, waiting is by the monotonic clock: a clock
    that jumps neither sends everything at once nor puts anything off for longer than the longest
    pause.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        """Ids of the jobs whose webhooks are still to be delivered."""
        self._later: list[tuple[float, int, Delivery]] = []
        """A heap by the moment when to try."""
        self._numbers = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many webhooks are still to be delivered."""
        return len(self._known)

    def add(self, delivery: Delivery) -> None:
        """Take a webhook, unless it is known; call it on the loop of whoever sends."""
        if delivery.job_id not in self._known:
            self._known.add(delivery.job_id)
            self.put_off(delivery)

    def put_off(self, delivery: Delivery) -> None:
        """Have a webhook that was taken tried again when it is due."""
        left_s = min(max(0.0, delivery.due_at - time.time()), MAX_DELAY_S)
        entry = (time.monotonic() + left_s, next(self._numbers), delivery)
        heapq.heappush(self._later, entry)
        self._changed.set()

    def forget(self, job_id: str) -> None:
        """Take note that a webhook was delivered, or given up."""
        self._known.discard(job_id)

    def take(self) -> Delivery | None:
        """Return the webhook that has been due longest; None when none is."""
        if not self._later or self._later[0][0] > time.monotonic():
            return None
        return heapq.heappop(self._later)[2]

    def notify(self) -> None:
        """Wake whoever waits for something else that it has to do."""
        self._changed.set()

    async def wait(self) -> None:
        """Wait until a webhook is due, one was added, or somebody has notified."""
        left_s = self._later[0][0] - time.monotonic() if self._later else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._changed.wait()
        self._changed.clear()
