"""A queue in this process's memory: the reference; what it holds ends with the process."""

import asyncio
from collections.abc import Collection, Sequence

from dispatcher.jobs import Job
from dispatcher.queues.base import Lease, QueueFullError
from dispatcher.queues.lanes import LaneFigures


class MemoryJobQueue(LaneFigures):
    """A ``JobQueue`` for one process."""

    outlives_process = False

    def __init__(self, *, capacity: int) -> None:
        super().__init__(capacity=capacity)
        self._more = asyncio.Event()

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        """Add jobs and return the depth with them."""
        if self.depth() >= self._capacity and not is_admitted:
            raise QueueFullError
        for job in jobs:
            self._lanes.add(job)
        if jobs:
            self._more.set()
        return self.depth()

    async def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first."""
        return self._lanes.reserve(lanes)

    async def wait_for_more(self) -> None:
        """Return after the next ``put`` or ``nack``."""
        await self._more.wait()
        self._more.clear()

    async def ack(self, lease: Lease) -> bool:
        """Remove a leased job for good."""
        return self._lanes.end(lease)

    async def nack(self, lease: Lease) -> bool:
        """Give a leased job back."""
        is_back = self._lanes.give_back(lease)
        if is_back:
            self._more.set()
        return is_back

    async def withdraw(self, job_id: str) -> bool:
        """Remove a waiting job for good."""
        return self._lanes.withdraw(job_id)
