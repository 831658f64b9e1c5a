"""Whether one more job is taken, and an honest word on when to come back.

A queue takes a burst and works it off: that is what it is for. One that stays full only adds
its length to the latency of everything, which is what CoDel calls a standing queue. So a burst
may fill the queue to its bounds; once jobs of a pipeline have had to be refused for longer than
a burst lasts, only as many are taken as keep its replicas busy, and the others are told to come
back. Nothing is dropped that was taken (CoDel would), and the order stays: what nobody waits for
any more ends by its deadline, and in a queue this short nothing else grows old.
After "Fail at Scale" (B. Maurer, ACM Queue 13(8), 2015), where the decision is made when work is
taken off the queue.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import (
    NoReplicaError,
    OverloadedError,
    RateLimitedError,
    UnknownPipelineError,
)
from dispatcher.jobs import Job
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import JobQueue
from dispatcher.telemetry.figures import Figures

MIN_RETRY_AFTER_S: Final = 1
MAX_RETRY_AFTER_S: Final = 30
UNKNOWN_RETRY_AFTER_S: Final = 5
"""Before anything has ended there is no rate to compute with."""
_SPREAD: Final = 0.2
"""Those that are refused at the same time come back up to this part sooner or later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait."""

    capacity_bytes: int = 2 * 1024**3
    """Bytes of images; one image that is larger waits alone."""
    max_age_s: float = 300.0
    """Age of the oldest waiting job at which no more are taken."""
    max_starved_s: float = 60.0
    """Once a pipeline has had no ready replica for so long, no more of its jobs are taken."""
    burst_s: float = 10.0
    """How long the queue may stay as full as it may be."""
    standing_share: float = 0.3
    """Jobs that a pipeline may have then, as a part of what its replicas can have in work: for
    each a request that is computed and one that is found ready, of half the usual size."""


@dataclass(frozen=True, slots=True)
class Load:
    """What there is when a job comes."""

    depth: int
    """Jobs that wait."""
    capacity: int
    """Most jobs that may wait."""
    waiting_bytes: int = 0
    oldest_age_s: float = 0.0
    pending: int = 0
    """Jobs of the pipeline that wait or are in work."""
    slots: int = 0
    """Jobs that the pipeline's replicas can have in work; 0 while none is ready."""
    starved_s: float = 0.0
    """For how long the pipeline has had no ready replica."""
    waiting_of_tenant: int = 0
    """Jobs that wait for the one who sends this one."""
    tenant_share: int | None = None
    """Most of them that may; None while nobody has to share."""
    is_standing: bool = False
    """Whether jobs of the pipeline have had to be refused for longer than a burst lasts."""


def admit(load: Load, limits: Limits, *, size_bytes: int) -> None:
    """Return when a job may be queued.

    Args:
        load: what there is.
        limits: how much may be.
        size_bytes: of the image.

    Raises:
        NoReplicaError: there is nobody who could do it, and has not been for long.
        RateLimitedError: too much of this tenant waits already; others are served.
        OverloadedError: too much waits already.
    """
    if load.tenant_share is not None and load.waiting_of_tenant >= load.tenant_share:
        raise RateLimitedError(
            f"{load.waiting_of_tenant} of your jobs wait already, as many as may of one client."
        )
    if load.starved_s > limits.max_starved_s:
        raise NoReplicaError(f"No replica has been ready for {load.starved_s:.0f} s.")
    if load.depth >= load.capacity:
        raise OverloadedError(f"{load.depth} jobs wait already, as many as may.")
    if load.depth and load.waiting_bytes + size_bytes > limits.capacity_bytes:
        raise OverloadedError(f"{load.waiting_bytes} bytes of images wait already.")
    if load.depth and load.oldest_age_s > limits.max_age_s:
        raise OverloadedError(f"The oldest job has waited for {load.oldest_age_s:.0f} s.")
    if load.is_standing and load.slots and load.pending >= limits.standing_share * load.slots:
        raise OverloadedError("More is asked for than the replicas can do.")


def retry_after_s(depth: int, drain_rate: float, *, jitter: random.Random) -> int:
    """Return after how many whole seconds half of the queue is worked off at the present rate.

    Args:
        depth: jobs that wait.
        drain_rate: jobs that ended per second lately.
        jitter: spreads those that are refused together.
    """
    usual = depth / 2 / drain_rate if drain_rate > 0 else UNKNOWN_RETRY_AFTER_S
    spread = usual * jitter.uniform(1 - _SPREAD, 1 + _SPREAD)
    return math.ceil(min(max(spread, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S))


class StandingQueues:
    """Remembers which pipelines have had to refuse jobs, and since when."""

    def __init__(self, *, burst_s: float) -> None:
        self._burst_s = burst_s
        self._since: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def note_refused(self, lane: str, *, now: float) -> None:
        """Take note that a job of a pipeline was refused because too much waits."""
        if not self._is_going_on(lane, now):
            self._since[lane] = now
        self._last[lane] = now

    def is_standing(self, lane: str, *, now: float) -> bool:
        """Say whether jobs of a pipeline have had to be refused for longer than a burst lasts.

        It is over when for as long none had to be.
        """
        return self._is_going_on(lane, now) and now - self._since[lane] > self._burst_s

    def _is_going_on(self, lane: str, now: float) -> bool:
        return now - self._last.get(lane, -math.inf) <= self._burst_s


class Admission:
    """Looks at what there is, and decides."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        figures: Figures,
        pipelines: PipelineStore,
        pools: PoolDirectory,
        limits: Limits | None = None,
        share_of_one: Callable[[], int | None] = lambda: None,
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._figures = figures
        self._pipelines = pipelines
        self._pools = pools
        self._limits = limits or Limits()
        self._share_of_one = share_of_one
        self._jitter = jitter or random.Random()
        self._clock = clock
        self._standing = StandingQueues(burst_s=self._limits.burst_s)

    def admit(self, jobs: Sequence[Job]) -> None:
        """Return when jobs of one pipeline may be queued.

        Raises:
            NoReplicaError: there is nobody who could do them, and has not been for long.
            RateLimitedError: too much of this tenant waits already.
            OverloadedError: too much waits already; ``retry_after_s`` says when a good part of
                it will have been worked off.
        """
        lane, now = jobs[0].pipeline_id, self._clock()
        load = self._load(lane, tenant=jobs[0].tenant, now=now)
        try:
            admit(load, self._limits, size_bytes=sum(job.size_bytes for job in jobs))
        except (NoReplicaError, OverloadedError, RateLimitedError) as exc:
            if isinstance(exc, OverloadedError):
                self._standing.note_refused(lane, now=now)
                self._figures.note_turned_away(lane, jobs=len(jobs))
            exc.retry_after_s = self.retry_after_s()
            raise

    def retry_after_s(self) -> int:
        """Return after how many seconds those who are refused now should come back."""
        rate = self._figures.drain_rate()
        return retry_after_s(self._queue.depth(), rate, jitter=self._jitter)

    def _load(self, lane: str, *, tenant: str, now: float) -> Load:
        slots, starved_s = self._replicas_of(lane, now=now)
        return Load(
            depth=self._queue.depth(),
            capacity=self._queue.capacity,
            waiting_bytes=self._queue.waiting_bytes(),
            oldest_age_s=self._queue.oldest_age_s(),
            pending=self._queue.pending(lane),
            slots=slots,
            starved_s=starved_s,
            waiting_of_tenant=self._queue.waiting_of(tenant),
            tenant_share=self._share_of_one(),
            is_standing=self._standing.is_standing(lane, now=now),
        )

    def _replicas_of(self, lane: str, *, now: float) -> tuple[int, float]:
        """Return the slots of a pipeline, and for how long one of its pools has had none."""
        try:
            stages = self._pipelines.find(lane).stages
        except UnknownPipelineError:
            return 0, 0.0
        pools = [self._pools.get(step) for step in {str(stage.key) for stage in stages}]
        starved_s = max((pool.starved_s(now=now) for pool in pools), default=0.0)
        return (0 if starved_s else sum(pool.slots for pool in pools)), starved_s
