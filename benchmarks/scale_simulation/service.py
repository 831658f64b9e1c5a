"""The embedded service, simulated: the same policies, with costs measured from the real one.

::

    client ─▶ event loop ─▶ admission, commit ─▶ queue ─▶ slots ─▶ pool, lane ─▶ replica
       ▲                                                                           │
       └──── event loop ◀── commit ◀── event loop ◀─────────────────────────────────┘

Admission, the standing-queue rule, the choice of a replica and greedy batching are the product's
own pure functions; the group commit, the slots of the consumer and the two requests on the road
are written again, because the real ones cannot be told from their input and output.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

import simpy

from benchmarks.scale_simulation.arrivals import Arrival
from benchmarks.scale_simulation.machine import Cores, EventLoop, GroupCommit, Steps
from benchmarks.scale_simulation.replicas import (
    ReplicaCosts,
    SimulatedLane,
    SimulatedPool,
    SimulatedReplica,
    ready_replica,
)
from dispatcher.errors import OverloadedError
from dispatcher.intake.admission import Limits, Load, StandingQueues, admit

LANE = "simulated"


@dataclass(frozen=True, slots=True)
class ServiceCosts:
    """What an image costs, in seconds; each is measured."""

    replica: ReplicaCosts
    dispatcher_s: float = 0.0
    """Processor time of the dispatcher's event loop for one image."""
    client_s: float = 0.0
    """The same of the client, which shares the machine."""
    commits_s: tuple[float, ...] = ()
    """Durations of a commit, one of which is drawn each time."""
    others_s: tuple[float, ...] = ()
    """What else an image waits for when nothing else is in the system; one is drawn each time."""

    def least_s(self) -> float:
        """Return the mean latency of an image that is alone, what is drawn left out."""
        return (
            self.dispatcher_s + self.client_s + self.replica.request_s + self.replica.item_s
        ) + (2 * fmean(self.commits_s) if self.commits_s else 0.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the service is told, and where it runs."""

    replicas: int = 2
    max_batch_size: int = 8
    capacity: int = 200
    burst_s: float = 10.0
    cores: int = 2


@dataclass(frozen=True, slots=True)
class Visits:
    """The parts of the dispatcher's time for an image; an assumption, and they add up to one."""

    accept: float = 0.45
    hand_out: float = 0.25
    take_back: float = 0.15
    answer: float = 0.15


@dataclass(frozen=True, slots=True)
class Image:
    """What became of one image."""

    due_s: float
    latency_s: float | None
    """From the moment it was due until the client had its result; None when it was refused."""


@dataclass(slots=True)
class Totals:
    """What a simulation adds up, beside the images."""

    computed: int = 0
    """Images that replicas worked on."""
    commits: int = 0
    batches: list[int] = field(default_factory=list)
    """Sizes of what replicas computed together."""


class SimulatedService:
    """One dispatcher with its replicas, and the client, on one machine."""

    def __init__(self, costs: ServiceCosts, layout: Layout, *, seed: int = 1) -> None:
        self.totals = Totals()
        self._costs = costs
        self._layout = layout
        self._visits = Visits()
        self._dice = random.Random(seed)
        self._env = env = simpy.Environment()
        self._cores = Cores(env, layout.cores)
        self._loop = EventLoop(env, self._cores)
        self._client = EventLoop(env, self._cores)
        self._disk = GroupCommit(env, costs.commits_s, dice=self._dice)
        self._limits = Limits(burst_s=layout.burst_s)
        self._standing = StandingQueues(burst_s=layout.burst_s)
        self._servers = [
            SimulatedReplica(env, self._cores, costs.replica, max_batch_size=layout.max_batch_size)
            for _ in range(layout.replicas)
        ]
        self._pool = SimulatedPool(env, [self._lane(n) for n in range(layout.replicas)])
        self._waiting: deque[int] = deque()
        self._accepting = 0
        self._carried = 0
        self._keys: list[int] = []
        self._ended: dict[int, simpy.Event] = {}
        """By job, when its result is safe."""
        self._leaders: dict[int, int] = {}
        """By key, the job that computes, or has computed, these bytes."""
        self._images: list[Image] = []

    def run(self, arrivals: Sequence[Arrival]) -> list[Image]:
        """Return what becomes of images, in the order in which they were due.

        A service can be run once.
        """
        for number, arrival in enumerate(arrivals):
            self._keys.append(arrival.key)
            self._images.append(Image(arrival.due_s, None))
            self._env.process(self._send(number, arrival.due_s))
        self._env.run()
        self.totals.commits = self._disk.count
        self.totals.batches = [size for server in self._servers for size in server.batches]
        return self._images

    def _lane(self, number: int) -> SimulatedLane:
        return SimulatedLane(
            self._env,
            ready_replica(number, max_batch_size=self._layout.max_batch_size),
            self._servers[number],
            on_answer=lambda jobs: self._start(self._take_back(list(jobs))),
        )

    def _start(self, steps: Steps) -> None:
        self._env.process(steps)

    def _send(self, job: int, due_s: float) -> Steps:
        """Be a client with one image."""
        costs, visits = self._costs, self._visits
        other_s = self._dice.choice(costs.others_s) if costs.others_s else 0.0
        yield self._env.timeout(due_s)
        yield from self._client.visit(costs.client_s / 2)
        yield self._env.timeout(other_s / 2)
        yield from self._loop.visit(costs.dispatcher_s * visits.accept)
        ended = self._accept(job)
        if ended is None:
            return
        yield self._disk.submit()  # kept before the 202
        if self._leaders[self._keys[job]] == job:
            self._accepting -= 1
            self._waiting.append(job)
            self._start(self._hand_out())
        yield ended
        yield from self._loop.visit(costs.dispatcher_s * visits.answer)
        yield self._env.timeout(other_s / 2)
        yield from self._client.visit(costs.client_s / 2)
        latency_s = self._env.now - due_s
        self._images[job] = Image(due_s, latency_s)

    def _accept(self, job: int) -> simpy.Event | None:
        """Return what an image waits for: its own end or its twin's; None when it is refused."""
        leader = self._leaders.get(self._keys[job])
        if leader is not None:
            return self._ended[leader]
        try:
            admit(self._load(), self._limits, size_bytes=0)
        except OverloadedError:
            self._standing.note_refused(LANE, now=self._env.now)
            return None
        self._leaders[self._keys[job]] = job
        self._accepting += 1
        self._ended[job] = self._env.event()
        return self._ended[job]

    def _load(self) -> Load:
        waiting = len(self._waiting) + self._accepting
        return Load(
            depth=waiting,
            capacity=self._layout.capacity,
            pending=waiting + self._carried,
            slots=self._pool.slots,
            is_standing=self._standing.is_standing(LANE, now=self._env.now),
        )

    def _hand_out(self) -> Steps:
        """Take jobs off the queue while the replicas can have more (execution/consumer)."""
        yield self._env.timeout(0)
        jobs: list[int] = []
        while self._waiting and self._carried < self._pool.slots:
            jobs.append(self._waiting.popleft())
            self._carried += 1
        if not jobs:
            return
        yield from self._loop.visit(self._costs.dispatcher_s * self._visits.hand_out * len(jobs))
        for job in jobs:
            self._pool.process(job)

    def _take_back(self, jobs: Sequence[int]) -> Steps:
        """Take an answered request: its results are kept before anybody sees them."""
        self._pool.dispatch()
        yield from self._loop.visit(self._costs.dispatcher_s * self._visits.take_back * len(jobs))
        self.totals.computed += len(jobs)
        safe = self._disk.submit()
        assert safe.callbacks is not None
        safe.callbacks.append(partial(self._end, jobs))

    def _end(self, jobs: Sequence[int], _: simpy.Event) -> None:
        for job in jobs:
            self._ended[job].succeed()
        self._carried -= len(jobs)
        self._start(self._hand_out())
