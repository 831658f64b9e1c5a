"""What happened so far: the figures behind ``/status`` and ``/metrics``.

Every event is noted once and feeds both, so that they cannot disagree.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dispatcher.jobs import Job, JobState
from dispatcher.telemetry.drain import DrainMeter
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.rate import RateMeter

_LATENCIES_KEPT: Final = 2048
_THROUGHPUT_WINDOW_S: Final = 60


class CacheOutcome(StrEnum):
    """How an accepted image was known to the cache; each is exactly one of these."""

    HIT = "hit"  # answered by an earlier result
    MISS = "miss"  # computed
    COALESCED = "coalesced"  # joined to the same work in flight
    BYPASS = "bypass"  # the cache was not asked: computed anew, or no image


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of the end-to-end latency of the latest jobs, in seconds."""

    p50: float
    p95: float
    p99: float


class Figures:
    """Counts everything that ``/status`` tells."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._started = time.monotonic()
        self._jobs_by_outcome = {
            state: metrics.jobs.labels(state.value) for state in JobState if state.is_terminal
        }
        self._cache_by_outcome = {
            outcome: metrics.cache_requests.labels(outcome.value) for outcome in CacheOutcome
        }
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._completed_rate = RateMeter()
        self._drain = DrainMeter()
        self._drain_by_lane: defaultdict[str, DrainMeter] = defaultdict(DrainMeter)
        self._drained: Counter[str] = Counter()
        self._turned_away: Counter[str] = Counter()
        self._stalled: frozenset[str] = frozenset()
        """Lanes in which jobs wait for a replica to be ready."""
        self._processing_s = 0.0
        self._queued_s = 0.0
        self._computed = 0
        self.cache = dict.fromkeys(CacheOutcome, 0)
        self.ended = dict.fromkeys(JobState, 0)
        self.accepted = 0
        self.peak_depth = 0
        self.last_request_at: float | None = None

    def count_accepted(self, outcome: CacheOutcome) -> None:
        """Note an accepted image."""
        self.accepted += 1
        self.cache[outcome] += 1
        self.last_request_at = time.time()
        self._cache_by_outcome[outcome].inc()

    def count_refused(self, code: str) -> None:
        """Note an image that was refused."""
        self._metrics.jobs.labels(f"refused_{code}").inc()

    def count_ended(self, job: Job) -> None:
        """Note a job that reached its terminal state."""
        now = time.monotonic()
        self.ended[job.state] += 1
        self._jobs_by_outcome[job.state].inc()
        if job.error is not None:
            self._metrics.count_failure(job.error.code)
        if job.state in (JobState.CANCELLED, JobState.EXPIRED):
            return  # nobody has waited for its end
        if job.state is JobState.COMPLETED:
            self._completed_rate.add(now)
        latency_s = max(0.0, (job.completed_at or job.queued_at) - job.queued_at)
        self._latencies.append(latency_s)
        self._metrics.job_duration.observe(latency_s)
        self._metrics.request.observe(latency_s)
        if job.from_cache or job.started_at is None:
            return
        self._computed += 1
        self._processing_s += job.processing_time_s or 0.0
        self._queued_s += job.queue_time_s or 0.0
        self._metrics.queue_wait.observe(job.queue_time_s or 0.0)
        if job.coalesced:
            return
        self._metrics.processed.inc()
        for run in job.stages:
            if not run.from_cache:
                self._metrics.observe_stage(run.type, duration_s=run.duration_s)

    def note_turned_away(self, lane: str, *, jobs: int) -> None:
        """Note jobs of a lane that were refused because too much waits."""
        self._turned_away[lane] += jobs

    def turned_away(self, lane: str) -> int:
        """Return how many jobs of a lane were."""
        return self._turned_away[lane]

    def note_queued(self, jobs: int, *, depth: int) -> None:
        """Note jobs that were put into the queue, and how many wait with them."""
        self.peak_depth = max(self.peak_depth, depth)
        self._metrics.published.inc(jobs)

    def note_waiting(self, lanes: Collection[str], *, stalled: Collection[str] = ()) -> None:
        """Note where jobs wait from now on.

        Args:
            lanes: in which jobs wait because replicas have enough to do.
            stalled: in which they wait because no replica is ready.
        """
        now = time.monotonic()
        self._stalled = frozenset(stalled)
        self._drain.note(is_waiting=bool(lanes), now=now)
        for lane in (*lanes, *self._drain_by_lane):
            self._drain_by_lane[lane].note(is_waiting=lane in lanes, now=now)

    def note_drained(self, lane: str) -> None:
        """Note a job that was taken off the queue and worked on to its end."""
        now = time.monotonic()
        self._drain.add(now)
        self._drain_by_lane[lane].add(now)
        self._drained[lane] += 1

    def drained(self, lane: str) -> int:
        """Return how many jobs of a lane were taken off the queue and worked on to their end."""
        return self._drained[lane]

    def drain_rate(self, lane: str | None = None) -> float:
        """Return how many jobs per second leave the queue while some wait; 0 when not known.

        Args:
            lane: of this lane alone.
        """
        if lane is None:
            return self._drain.per_second(time.monotonic())
        if lane in self._stalled or lane not in self._drain_by_lane:
            return 0.0
        return self._drain_by_lane[lane].per_second(time.monotonic())

    def throughput(self) -> float:
        """Return how many jobs per second were completed in the last minute."""
        return self._completed_rate.per_second(time.monotonic(), window_s=_THROUGHPUT_WINDOW_S)

    def average_processing_s(self) -> float:
        """Return the mean time from the first attempt to the end."""
        return self._processing_s / self._computed if self._computed else 0.0

    def average_queue_s(self) -> float:
        """Return the mean time from acceptance to the first attempt."""
        return self._queued_s / self._computed if self._computed else 0.0

    def uptime_s(self) -> float:
        """Return for how long the service has been running."""
        return time.monotonic() - self._started

    def latency(self) -> Percentiles:
        """Return percentiles by the nearest-rank method; zeros before the first job."""
        ordered = sorted(self._latencies) or [0.0]

        def at(percent: int) -> float:
            # Rounded up in integers: 0.07 * 100 is more than 7 to a float.
            return ordered[-(-percent * len(ordered) // 100) - 1]

        return Percentiles(p50=at(50), p95=at(95), p99=at(99))
