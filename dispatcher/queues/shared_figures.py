"""What a shared queue tells at once, without asking anybody: all dispatchers' jobs, a moment late.

It is what the last look at the backlog has shown, corrected by what this process has done since.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sortedcontainers import SortedList

from dispatcher.jobs import Job
from dispatcher.queues.lanes import PENALTY_S
from dispatcher.queues.places import LaneSnapshot, Snapshot

STALE_AFTER_S: Final = 2.0
"""After so long a look is believed although something was done meanwhile."""

_Place = tuple[float, int, str]
"""Due time, order of arrival, job id."""


class _Lane:
    """What waits in one lane."""

    def __init__(self, seen: LaneSnapshot | None = None) -> None:
        self.waiting = seen.waiting if seen else 0
        self.working = seen.working if seen else 0
        self.oldest_at = seen.oldest_at if seen else None
        """Of what the last look has shown."""
        self.order: SortedList[_Place] = SortedList()
        self.arrived: SortedList[float] = SortedList()
        """When those came that this process knows."""
        self.is_complete = seen is None or len(seen.first_ids) >= seen.waiting


class SharedFigures:
    """The figures of one dispatcher about the jobs of all."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._places: dict[str, tuple[_Place, str]] = {}
        """Job id to its place and lane."""
        self._jobs: dict[str, Job] = {}
        """Those of them that this process knows more of."""
        self._tenants: Counter[str] = Counter()
        self._bytes = 0
        self._numbers = 0
        self._changing = 0
        self._changes = 0
        self._looked_at = 0.0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Do something that a look at the backlog may or may not see."""
        self._changing += 1
        try:
            yield
        finally:
            self._changing -= 1
            self._changes += 1

    def begin_look(self) -> tuple[bool, int]:
        """Return what ``take`` has to know of the moment before the backlog was looked at."""
        return self._changing == 0, self._changes

    def take(self, seen: Snapshot, before: tuple[bool, int], *, held: Iterable[Job]) -> bool:
        """Believe a look; False when something was done meanwhile and the last is still fresh.

        Args:
            seen: what the backlog has shown.
            before: from ``begin_look``.
            held: jobs that wait in the hands of this process.
        """
        is_clean = before[0] and before[1] == self._changes
        if not is_clean and self._clock() - self._looked_at < STALE_AFTER_S:
            return False
        self._looked_at = self._clock()
        known = self._jobs | {job.id: job for job in held}
        self._lanes = {name: _Lane(lane) for name, lane in seen.lanes.items()}
        self._places, self._jobs = {}, {}
        self._tenants = Counter(seen.tenants)
        self._bytes = sum(lane.size_bytes for lane in seen.lanes.values())
        for name, lane in seen.lanes.items():
            self._line_up(name, lane.first_ids, known)
        return True

    def note_waiting(self, job: Job) -> None:
        """Take note that a job waits; nothing when that is known."""
        if job.id in self._places:
            return
        lane = self._lanes.setdefault(job.pipeline_id, _Lane())
        self._put(job.id, job.pipeline_id, _due(job), job)
        if lane.is_complete:  # else it is among those that were only counted
            lane.waiting += 1
            self._tenants[job.tenant] += 1
            self._bytes += job.size_bytes

    def note_gone(self, job_id: str) -> None:
        """Take note that a job waits no more; nothing when it was not known to."""
        found = self._places.pop(job_id, None)
        if found is None:
            return
        place, name = found
        lane = self._lanes[name]
        lane.order.remove(place)
        lane.waiting -= 1
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        lane.arrived.remove(job.queued_at)
        if lane.oldest_at is not None and job.queued_at <= lane.oldest_at:
            lane.oldest_at = None
        self._tenants[job.tenant] -= 1
        self._bytes -= job.size_bytes

    def depth(self) -> int:
        """Return how many jobs wait."""
        return sum(lane.waiting for lane in self._lanes.values())

    def waiting_bytes(self) -> int:
        """Return the size of the images of all waiting jobs."""
        return max(0, self._bytes)

    def waiting_of(self, tenant: str) -> int:
        """Return how many jobs of a tenant wait."""
        return max(0, self._tenants[tenant])

    def lanes(self) -> list[str]:
        """Return the lanes in which jobs wait."""
        return [name for name, lane in self._lanes.items() if lane.waiting]

    def waiting(self, lane: str) -> int:
        """Return how many jobs of a lane wait."""
        return self._lanes[lane].waiting if lane in self._lanes else 0

    def working(self, lane: str) -> int:
        """Return how many jobs of a lane were in work, anywhere, at the last look."""
        return self._lanes[lane].working if lane in self._lanes else 0

    def position(self, job_id: str) -> int | None:
        """Return how many jobs of its lane come before this one; None when it is not known."""
        found = self._places.get(job_id)
        return None if found is None else self._lanes[found[1]].order.index(found[0])

    def oldest_age_s(self, lane: str | None = None) -> float:
        """Return how long the oldest waiting job has waited, of one lane or of all."""
        lanes = self._lanes.values() if lane is None else [self._lanes.get(lane, _Lane())]
        came_at = [at for one in lanes if one.waiting for at in (one.oldest_at, *one.arrived[:1])]
        return max((self._clock() - at for at in came_at if at is not None), default=0.0)

    def _line_up(self, name: str, job_ids: Iterable[str], known: Mapping[str, Job]) -> None:
        """Give jobs of a lane their places, in order: of some it is not known when they are due."""
        due = 0.0
        for job_id in job_ids:
            job = known.get(job_id)
            due = max(due, _due(job)) if job else due
            self._put(job_id, name, due, job)

    def _put(self, job_id: str, name: str, due: float, job: Job | None) -> None:
        self._numbers += 1
        place = (due, self._numbers, job_id)
        lane = self._lanes[name]
        lane.order.add(place)
        self._places[job_id] = (place, name)
        if job is not None:
            self._jobs[job_id] = job
            lane.arrived.add(job.queued_at)


def _due(job: Job) -> float:
    return job.queued_at + PENALTY_S[job.priority]
