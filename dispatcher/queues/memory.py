"""A queue in this process's memory: the reference; what it holds ends with the process."""

import asyncio
import itertools
import time
from collections import OrderedDict

from dispatcher.queues.base import Lease, QueueFullError


class MemoryJobQueue:
    """A ``JobQueue`` for one process."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: OrderedDict[str, float] = OrderedDict()
        """Job id to the monotonic time of its arrival, oldest first."""
        self._leases: dict[str, tuple[int, float]] = {}
        """Job id to the token of its lease and the time of its arrival."""
        self._tokens = itertools.count(1)
        self._not_empty = asyncio.Event()
        self._is_closed = False

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Cancel whoever waits."""
        self._is_closed = True
        self._not_empty.set()

    async def put(self, job_id: str) -> int:
        """Add a job and return the depth with it."""
        if len(self._waiting) >= self._capacity:
            raise QueueFullError
        self._waiting[job_id] = time.monotonic()
        self._not_empty.set()
        return len(self._waiting)

    async def reserve(self) -> Lease:
        """Wait for a job and lease the oldest."""
        while not self._waiting:
            if self._is_closed:
                raise asyncio.CancelledError
            self._not_empty.clear()
            await self._not_empty.wait()
        job_id, arrived = self._waiting.popitem(last=False)
        token = next(self._tokens)
        self._leases[job_id] = (token, arrived)
        return Lease(job_id=job_id, token=token)

    async def ack(self, lease: Lease) -> bool:
        """Remove a leased job for good."""
        return self._end(lease) is not None

    async def nack(self, lease: Lease) -> bool:
        """Give a leased job back, to the front."""
        arrived = self._end(lease)
        if arrived is None:
            return False
        self._waiting[lease.job_id] = arrived
        self._waiting.move_to_end(lease.job_id, last=False)
        self._not_empty.set()
        return True

    def depth(self) -> int:
        """Return how many jobs wait."""
        return len(self._waiting)

    def leased(self) -> int:
        """Return how many jobs are leased."""
        return len(self._leases)

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        return self._capacity

    def position(self, job_id: str) -> int | None:
        """Return how many jobs wait before this one; None when it does not wait."""
        if job_id not in self._waiting:
            return None
        return next(n for n, waiting in enumerate(self._waiting) if waiting == job_id)

    def oldest_age_s(self) -> float:
        """Return how long the oldest waiting job has waited, in seconds."""
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def _end(self, lease: Lease) -> float | None:
        """End a lease and return when its job arrived; None when the lease is void."""
        token, arrived = self._leases.get(lease.job_id, (None, 0.0))
        if token != lease.token:
            return None
        del self._leases[lease.job_id]
        return arrived
