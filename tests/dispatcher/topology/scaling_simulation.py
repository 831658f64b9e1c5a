"""A step in virtual time: jobs that arrive by chance, replicas that start, work and leave."""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.autoscaler import History, Observation, ScalingPolicy, decide

Load = Callable[[float], float]
"""Jobs that arrive in a second, by the time in seconds."""


@dataclass(frozen=True)
class Moment:
    """What was seen at a decision."""

    at_s: float
    replicas: int
    """That were decided on."""
    backlog_s: float
    """What waits and is in work, by what the replicas that are decided on do in a second."""


@dataclass
class Simulation:
    """A queue with as many servers as the policy wants; each works on one job at a time."""

    load: Load
    job_s: float = 0.1
    variation: float = 0.3
    """Standard deviation of the time of a job, by its mean."""
    start_s: float = 2.0
    bounds: ReplicaRange = field(default_factory=lambda: ReplicaRange(1, 16))
    capacity: int = 1_000_000
    """Jobs that may wait; those that come then are turned away."""
    policy: ScalingPolicy = field(default_factory=ScalingPolicy)
    seed: int = 1

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.now = 0.0
        self.desired = self.bounds.min
        self.waiting = self.ended = self.turned_away = 0
        self.idle = self.desired
        self.busy_s = 0.0
        self.working: list[tuple[float, float]] = []
        """When each replica at work is done, and when it began."""
        self.starting: list[float] = []
        self.surplus = 0
        """Replicas at work that end with their job."""
        self.next_arrival = self._arrival_after(0.0)

    def run(self, duration_s: float) -> list[Moment]:
        """Let time pass, with a decision each second; return what was decided."""
        history, moments = History(), []
        for second in range(1, int(duration_s) + 1):
            self._pass_time(float(second))
            decision = decide(self._observed(), history, self.policy)
            history = decision.history
            self._scale(decision.replicas)
            pending = self.waiting + len(self.working)
            moments.append(
                Moment(self.now, self.desired, pending * self.job_s / max(1, self.desired))
            )
        return moments

    @property
    def ready(self) -> int:
        return self.idle + len(self.working) - self.surplus

    def _observed(self) -> Observation:
        return Observation(
            at_s=self.now,
            pending=self.waiting + len(self.working),
            ended=self.ended,
            turned_away=self.turned_away,
            busy_s=self.busy_s + sum(self.now - began for _, began in self.working),
            ready=self.ready,
            desired=self.desired,
            bounds=self.bounds,
        )

    def _pass_time(self, until: float) -> None:
        while True:
            done = self.working[0][0] if self.working else math.inf
            started = self.starting[0] if self.starting else math.inf
            self.now = min(self.next_arrival, done, started, until)
            if self.now == until:
                return
            if self.now == self.next_arrival:
                self.next_arrival = self._arrival_after(self.now)
                if self.waiting < self.capacity:
                    self.waiting += 1
                else:
                    self.turned_away += 1
            elif self.now == done:
                self._finish()
            else:
                self.starting.pop(0)
                self.idle += 1
            self._begin()

    def _begin(self) -> None:
        while self.idle and self.waiting:
            self.idle -= 1
            self.waiting -= 1
            takes_s = self.dice.gammavariate(self.variation**-2, self.job_s * self.variation**2)
            heapq.heappush(self.working, (self.now + takes_s, self.now))

    def _finish(self) -> None:
        _, began = heapq.heappop(self.working)
        self.busy_s += self.now - began
        self.ended += 1
        if self.surplus:
            self.surplus -= 1
        else:
            self.idle += 1

    def _scale(self, replicas: int) -> None:
        change, self.desired = replicas - self.desired, replicas
        for _ in range(change):
            self.starting.append(self.now + self.start_s)
        for _ in range(-change):
            if self.starting:
                self.starting.pop()
            elif self.idle:
                self.idle -= 1
            else:
                self.surplus += 1

    def _arrival_after(self, at_s: float) -> float:
        rate = self.load(at_s)
        return at_s + self.dice.expovariate(rate) if rate > 0 else at_s + 1.0


def directions(moments: list[Moment]) -> int:
    """How often the number of replicas began to move the other way."""
    moves = [
        later.replicas > earlier.replicas
        for earlier, later in itertools.pairwise(moments)
        if later.replicas != earlier.replicas
    ]
    return sum(one != other for one, other in itertools.pairwise(moves))


def settled_after_s(moments: list[Moment], *, backlog_s: float) -> float:
    """How long until the backlog stays below a bound, and the replicas within one of the end's."""
    restless = [
        moment.at_s
        for moment in moments
        if abs(moment.replicas - moments[-1].replicas) > 1 or moment.backlog_s > backlog_s
    ]
    return max(restless, default=moments[0].at_s) - moments[0].at_s
