"""Jobs in the order in which they are to be taken: what every queue of one process is made of.

A job is due when it came, plus a penalty for its priority. So urgent jobs come first, and a bulk
job is never passed by those that came more than a minute after it.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sortedcontainers import SortedList

from dispatcher.jobs import Job, Priority
from dispatcher.queues.base import Lease
from dispatcher.queues.report import LaneReport, PriorityReport, QueueReport

PENALTY_S: Final[Mapping[Priority, float]] = {
    Priority.HIGH: 0.0,
    Priority.NORMAL: 30.0,
    Priority.BULK: 60.0,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of a waiting job."""

    job_id: str
    lane: str
    priority: Priority
    size_bytes: int
    tenant: str = ""
    waited_s: float = 0.0
    """How long it had waited when it was added."""
    deliveries: int = 0
    """How often it had been leased when it was added."""


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a job stands; the earlier comes first."""

    due: float
    """Monotonic seconds."""
    number: int
    """The order of arrival."""
    job: Waiting = field(compare=False)
    arrived: float = field(compare=False)
    """Monotonic seconds."""


class Lanes:
    """The waiting and the leased jobs of one queue, lane by lane."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[str, SortedList[_Place]] = {}
        """A lane in which nothing waits is not there."""
        self._places: dict[str, _Place] = {}
        """Of waiting jobs."""
        self._leases: dict[str, tuple[int, _Place]] = {}
        """Job id to the token of its lease."""
        self._leased_by_lane: Counter[str] = Counter()
        self._waiting_by_tenant: Counter[str] = Counter()
        self._arrivals: SortedList[float] = SortedList()
        self._bytes = 0
        self._numbers = itertools.count()
        self._tokens = itertools.count(1)

    def add(self, job: Job) -> None:
        """Add a job that came now."""
        self.restore(Waiting(job.id, job.pipeline_id, job.priority, job.size_bytes, job.tenant))

    def restore(self, job: Waiting) -> None:
        """Add a job that has waited before."""
        arrived = self._clock() - job.waited_s
        place = _Place(arrived + PENALTY_S[job.priority], next(self._numbers), job, arrived)
        self._wait(place)

    def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first."""
        heads = [self._lanes[lane][0] for lane in lanes if lane in self._lanes]
        if not heads:
            return None
        place = min(heads)
        self._remove(place)
        token = next(self._tokens)
        deliveries = place.job.deliveries + 1
        place = replace(place, job=replace(place.job, deliveries=deliveries))
        self._leases[place.job.job_id] = (token, place)
        self._leased_by_lane[place.job.lane] += 1
        return Lease(place.job.job_id, lane=place.job.lane, token=token, deliveries=deliveries)

    def end(self, lease: Lease) -> bool:
        """Forget a leased job; False when the lease is void."""
        return self._end(lease) is not None

    def give_back(self, lease: Lease) -> bool:
        """Let a leased job wait again, where it stood; False when the lease is void.

        A lease that was given back does not count: whoever had it survived it.
        """
        place = self._end(lease)
        if place is None:
            return False
        job = replace(place.job, deliveries=place.job.deliveries - 1)
        self._wait(replace(place, job=job))
        return True

    def withdraw(self, job_id: str) -> bool:
        """Forget a waiting job; False when it does not wait."""
        place = self._places.get(job_id)
        if place is None:
            return False
        self._remove(place)
        return True

    def depth(self) -> int:
        """Return how many jobs wait."""
        return len(self._places)

    def waiting_bytes(self) -> int:
        """Return the size of the images of all waiting jobs."""
        return self._bytes

    def waiting_of(self, tenant: str) -> int:
        """Return how many jobs of a tenant wait."""
        return self._waiting_by_tenant[tenant]

    def leased(self) -> int:
        """Return how many jobs are leased."""
        return len(self._leases)

    def names(self) -> list[str]:
        """Return the lanes in which jobs wait."""
        return list(self._lanes)

    def pending(self, lane: str) -> int:
        """Return how many jobs of a lane wait or are leased."""
        return len(self._lanes.get(lane, ())) + self._leased_by_lane[lane]

    def position(self, job_id: str) -> int | None:
        """Return how many jobs of its lane come before this one; None when it does not wait."""
        place = self._places.get(job_id)
        return None if place is None else self._lanes[place.job.lane].index(place)

    def oldest_age_s(self) -> float:
        """Return how long the job that came first has waited, in seconds."""
        return self._clock() - self._arrivals[0] if self._arrivals else 0.0

    def report(self, lane: str) -> LaneReport:
        """Return what there is of a lane; it is walked along, so ask for it now and then only."""
        places = self._lanes.get(lane, ())
        waiting = Counter(place.job.priority for place in places)
        now = self._clock()
        return LaneReport(
            lane,
            waiting=len(places),
            in_work=self._leased_by_lane[lane],
            oldest_age_s=max((now - place.arrived for place in places), default=0.0),
            priorities=tuple(
                PriorityReport(priority, waiting[priority], consumers=None) for priority in Priority
            ),
        )

    def busy(self) -> list[str]:
        """Return the lanes in which jobs wait or are leased, by name."""
        return sorted(self._lanes.keys() | self._leased_by_lane.keys())

    def _wait(self, place: _Place) -> None:
        self._lanes.setdefault(place.job.lane, SortedList()).add(place)
        self._places[place.job.job_id] = place
        self._waiting_by_tenant[place.job.tenant] += 1
        self._arrivals.add(place.arrived)
        self._bytes += place.job.size_bytes

    def _remove(self, place: _Place) -> None:
        waiting = self._lanes[place.job.lane]
        waiting.remove(place)
        if not waiting:
            del self._lanes[place.job.lane]
        del self._places[place.job.job_id]
        self._waiting_by_tenant[place.job.tenant] -= 1
        if not self._waiting_by_tenant[place.job.tenant]:
            del self._waiting_by_tenant[place.job.tenant]
        self._arrivals.remove(place.arrived)
        self._bytes -= place.job.size_bytes

    def _end(self, lease: Lease) -> _Place | None:
        """End a lease and return its job's place; None when the lease is void."""
        found = self._leases.get(lease.job_id)
        if found is None or found[0] != lease.token:
            return None
        del self._leases[lease.job_id]
        lane = found[1].job.lane
        self._leased_by_lane[lane] -= 1
        if not self._leased_by_lane[lane]:
            del self._leased_by_lane[lane]
        return found[1]


class LaneFigures:
    """What a queue that keeps its order in lanes tells of it."""

    is_shared = False

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._lanes = Lanes()

    def unready(self) -> str | None:
        """Say why nothing can be put in: there is never a reason."""
        return None

    def offer(self, room: Mapping[str, int] | None) -> None:
        """Take note of nothing: all jobs are this process's."""

    async def unlink(self, lease: Lease) -> Sequence[str]:
        """Return nothing: identical work of one process shares a place before it comes here."""
        return ()

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        return self._capacity

    def depth(self) -> int:
        """Return how many jobs wait."""
        return self._lanes.depth()

    def waiting_bytes(self) -> int:
        """Return the size of the images of all waiting jobs."""
        return self._lanes.waiting_bytes()

    def waiting_of(self, tenant: str) -> int:
        """Return how many jobs of a tenant wait."""
        return self._lanes.waiting_of(tenant)

    def leased(self) -> int:
        """Return how many jobs are leased."""
        return self._lanes.leased()

    def lanes(self) -> list[str]:
        """Return the lanes in which jobs wait."""
        return self._lanes.names()

    def pending(self, lane: str) -> int:
        """Return how many jobs of a lane wait or are leased."""
        return self._lanes.pending(lane)

    def is_idle(self, lane: str) -> bool:
        """Say whether no job of a lane waits or is leased."""
        return not self.pending(lane)

    def position(self, job_id: str) -> int | None:
        """Return how many jobs of its lane come before this one."""
        return self._lanes.position(job_id)

    def oldest_age_s(self) -> float:
        """Return how long the job that came first has waited, in seconds."""
        return self._lanes.oldest_age_s()

    async def report(self) -> QueueReport:
        """Tell an operator what waits and what is in work."""
        return QueueReport(tuple(self._lanes.report(lane) for lane in self._lanes.busy()))

    async def put_back_dead(self, *, limit: int) -> int:
        """Put nothing back: jobs are no messages here."""
        return 0

    async def drop_dead(self) -> int:
        """Drop nothing, likewise."""
        return 0
