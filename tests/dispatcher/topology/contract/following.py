"""Somebody who looks at what a discovery says, for as long as a test runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from dispatcher.topology.base import Discovery
from dispatcher.topology.configmap import StepRecord

PROMISED_S: Final = 5.0
"""Within which every discovery shows a change."""


class Follower:
    """Keeps all snapshots."""

    def __init__(self) -> None:
        self.snapshots: list[Sequence[StepRecord]] = []
        self._changed = asyncio.Condition()

    @property
    def names(self) -> list[str]:
        """The records of the last snapshot, by name."""
        return sorted(record.name for record in self.snapshots[-1])

    def record(self, name: str) -> StepRecord:
        """A record of the last snapshot."""
        return next(record for record in self.snapshots[-1] if record.name == name)

    async def take(self, discovery: Discovery) -> None:
        """Look, until cancelled."""
        async for snapshot in discovery.snapshots():
            async with self._changed:
                self.snapshots.append(snapshot)
                self._changed.notify_all()

    async def until(self, holds: Callable[[], bool], *, within_s: float = PROMISED_S) -> None:
        """Wait until something is true of what was seen."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: bool(self.snapshots) and holds())


@asynccontextmanager
async def following(discovery: Discovery) -> AsyncIterator[Follower]:
    """Look at a discovery; what ends it fails the test."""
    follower = Follower()
    looking = asyncio.create_task(follower.take(discovery))
    try:
        await follower.until(lambda: True)
        yield follower
        assert not looking.done()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
