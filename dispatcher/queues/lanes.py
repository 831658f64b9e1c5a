"""Jobs in the order in which they are to be taken: what every queue of one process is made of.

A job is due when it came, plus a penalty for its priority. So urgent jobs come first, and a bulk
job is never passed by those that came more than a minute after it.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sortedcontainers import SortedList

from dispatcher.jobs import Job, Priority
from dispatcher.queues.base import Lease

PENALTY_S: Final[Mapping[Priority, float]] = {
    Priority.HIGH: 0.0,
    Priority.NORMAL: 30.0,
    Priority.BULK: 60.0,
}


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a job stands; the earlier comes first."""

    due: float
    """Monotonic seconds."""
    number: int
    """The order of arrival."""
    job_id: str
    lane: str
    arrived: float
    """Monotonic seconds."""
    size_bytes: int


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
        self._arrivals: SortedList[float] = SortedList()
        self._bytes = 0
        self._numbers = itertools.count()
        self._tokens = itertools.count(1)

    def add(self, job: Job, *, waited_s: float = 0.0) -> None:
        """Add a job that came now, or has waited for so long already."""
        arrived = self._clock() - waited_s
        due = arrived + PENALTY_S[job.priority]
        lane, number = job.pipeline_id, next(self._numbers)
        self._wait(_Place(due, number, job.id, lane, arrived, job.size_bytes))

    def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first."""
        heads = [self._lanes[lane][0] for lane in lanes if lane in self._lanes]
        if not heads:
            return None
        place = min(heads)
        self._remove(place)
        token = next(self._tokens)
        self._leases[place.job_id] = (token, place)
        self._leased_by_lane[place.lane] += 1
        return Lease(job_id=place.job_id, lane=place.lane, token=token)

    def end(self, lease: Lease) -> bool:
        """Forget a leased job; False when the lease is void."""
        return self._end(lease) is not None

    def give_back(self, lease: Lease) -> bool:
        """Let a leased job wait again, where it stood; False when the lease is void."""
        place = self._end(lease)
        if place is None:
            return False
        self._wait(place)
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
        return None if place is None else self._lanes[place.lane].index(place)

    def oldest_age_s(self) -> float:
        """Return how long the job that came first has waited, in seconds."""
        return self._clock() - self._arrivals[0] if self._arrivals else 0.0

    def _wait(self, place: _Place) -> None:
        self._lanes.setdefault(place.lane, SortedList()).add(place)
        self._places[place.job_id] = place
        self._arrivals.add(place.arrived)
        self._bytes += place.size_bytes

    def _remove(self, place: _Place) -> None:
        waiting = self._lanes[place.lane]
        waiting.remove(place)
        if not waiting:
            del self._lanes[place.lane]
        del self._places[place.job_id]
        self._arrivals.remove(place.arrived)
        self._bytes -= place.size_bytes

    def _end(self, lease: Lease) -> _Place | None:
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
