"""A queue in this process's memory: the reference; what it holds ends with the process."""

import asyncio
import itertools
import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dispatcher.queues.base import Lease, QueueFullError


@dataclass(frozen=True, slots=True)
class _Waiting:
    """When a job came: its place among all, and the monotonic time."""

    place: int
    arrived: float
    lane: str


class MemoryJobQueue:
    """A ``JobQueue`` for one process."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._lanes: dict[str, OrderedDict[str, _Waiting]] = {}
        """Jobs by id, oldest first; a lane in which nothing waits is not there."""
        self._lane_of: dict[str, str] = {}
        self._leases: dict[str, tuple[int, _Waiting]] = {}
        """Job id to the token of its lease."""
        self._leased_by_lane: Counter[str] = Counter()
        self._places = itertools.count()
        self._tokens = itertools.count(1)
        self._more = asyncio.Event()

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def put(self, job_ids: Sequence[str], *, lane: str, is_admitted: bool = False) -> int:
        """Add jobs and return the depth with them."""
        if self.depth() >= self._capacity and not is_admitted:
            raise QueueFullError
        if not job_ids:
            return self.depth()
        now = time.monotonic()
        waiting = self._lanes.setdefault(lane, OrderedDict())
        for job_id in job_ids:
            waiting[job_id] = _Waiting(next(self._places), now, lane)
            self._lane_of[job_id] = lane
        self._more.set()
        return self.depth()

    async def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the oldest job of these lanes; None when none waits there."""
        heads = [next(iter(self._lanes[lane].items())) for lane in lanes if lane in self._lanes]
        if not heads:
            return None
        job_id, waiting = min(heads, key=lambda head: head[1].place)
        self._remove(job_id, waiting.lane)
        token = next(self._tokens)
        self._leases[job_id] = (token, waiting)
        self._leased_by_lane[waiting.lane] += 1
        return Lease(job_id=job_id, lane=waiting.lane, token=token)

    async def wait_for_more(self) -> None:
        """Return after the next ``put`` or ``nack``."""
        await self._more.wait()
        self._more.clear()

    async def ack(self, lease: Lease) -> bool:
        """Remove a leased job for good."""
        return self._end(lease) is not None

    async def nack(self, lease: Lease) -> bool:
        """Give a leased job back, to the front."""
        waiting = self._end(lease)
        if waiting is None:
            return False
        jobs = self._lanes.setdefault(waiting.lane, OrderedDict())
        jobs[lease.job_id] = waiting
        jobs.move_to_end(lease.job_id, last=False)
        self._lane_of[lease.job_id] = waiting.lane
        self._more.set()
        return True

    def depth(self) -> int:
        """Return how many jobs wait."""
        return len(self._lane_of)

    def leased(self) -> int:
        """Return how many jobs are leased."""
        return len(self._leases)

    def lanes(self) -> list[str]:
        """Return the lanes in which jobs wait."""
        return list(self._lanes)

    def pending(self, lane: str) -> int:
        """Return how many jobs of a lane wait or are leased."""
        return len(self._lanes.get(lane, ())) + self._leased_by_lane[lane]

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        return self._capacity

    def position(self, job_id: str) -> int | None:
        """Return how many jobs of its lane wait before this one; None when it does not wait."""
        lane = self._lane_of.get(job_id)
        if lane is None:
            return None
        return next(n for n, waiting in enumerate(self._lanes[lane]) if waiting == job_id)

    def oldest_age_s(self) -> float:
        """Return how long the oldest waiting job has waited, in seconds."""
        heads = [next(iter(jobs.values())).arrived for jobs in self._lanes.values()]
        return time.monotonic() - min(heads) if heads else 0.0

    def _remove(self, job_id: str, lane: str) -> None:
        del self._lanes[lane][job_id]
        del self._lane_of[job_id]
        if not self._lanes[lane]:
            del self._lanes[lane]

    def _end(self, lease: Lease) -> _Waiting | None:
        """End a lease and return its job's place; None when the lease is void."""
        found = self._leases.get(lease.job_id)
        if found is None or found[0] != lease.token:
            return None
        del self._leases[lease.job_id]
        lane = found[1].lane
        self._leased_by_lane[lane] -= 1
        if not self._leased_by_lane[lane]:
            del self._leased_by_lane[lane]
        return found[1]
