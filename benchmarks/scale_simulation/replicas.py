"""Simulated replicas, and the dispatcher's way to each; routing is the dispatcher's own code."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

import simpy

from benchmarks.scale_simulation.machine import LAST, Cores, Steps
from dispatcher.pools.replica import Replica, ReplicaState
from dispatcher.pools.routing import choose_replica, note_choice
from step_app.batching import take_batch

MAX_REQUESTS: Final = 2
"""On the road to one replica (pools/lane): one that it computes, one that it finds ready."""


@dataclass(frozen=True, slots=True)
class ReplicaCosts:
    """What a replica needs, in seconds."""

    request_s: float
    """For a request, however many images it has; for one that is greedy, for a batch."""
    item_s: float
    """For each image."""
    is_greedy: bool = False
    """Whether images of two requests are computed together, as step_app does; a scripted replica
    works on one request after the other."""
    needs_core: bool = False
    """Whether it computes; a scripted replica sleeps."""


@dataclass(slots=True, eq=False)
class Request:
    """Images on the road together."""

    items: int
    left: int
    answered: simpy.Event


class SimulatedReplica:
    """Works on what is sent to it."""

    def __init__(
        self, env: simpy.Environment, cores: Cores, costs: ReplicaCosts, *, max_batch_size: int
    ) -> None:
        self._env = env
        self._cores = cores
        self._costs = costs
        self._max_batch_size = max_batch_size
        self._inbox: SimpleQueue[Request | None] = SimpleQueue()
        self._came = env.event()
        self.batches: list[int] = []
        """Sizes of all so far."""
        env.process(self._work())

    def send(self, items: int) -> simpy.Event:
        """Return what happens when all images of a request have been computed."""
        request = Request(items, items, self._env.event())
        for _ in range(items if self._costs.is_greedy else 1):
            self._inbox.put(request)
        if not self._came.triggered:
            self._came.succeed()
        return request.answered

    def _work(self) -> Steps:
        while True:
            if self._inbox.empty():
                self._came = self._env.event()
                yield self._came
            at_once = self._max_batch_size if self._costs.is_greedy else 1
            batch = take_batch(self._inbox, max_batch_size=at_once) or []
            items = len(batch) if self._costs.is_greedy else batch[0].items
            self.batches.append(items)
            took_s = self._costs.request_s + items * self._costs.item_s
            if self._costs.needs_core:
                yield from self._cores.compute(took_s, priority=LAST)
            else:
                yield self._env.timeout(took_s)
            for request in batch:
                request.left -= 1 if self._costs.is_greedy else request.items
                if not request.left:
                    request.answered.succeed()


class SimulatedLane:
    """The way to one replica (pools/lane): what is added in one turn travels together."""

    def __init__(
        self,
        env: simpy.Environment,
        replica: Replica,
        server: SimulatedReplica,
        *,
        on_answer: Callable[[Sequence[int]], None],
    ) -> None:
        self.replica = replica
        self._env = env
        self._server = server
        self._on_answer = on_answer
        self._waiting: deque[int] = deque()
        self._on_road: list[int] = []
        """Sizes of the requests on the road."""

    def add(self, job: int) -> None:
        """Take a job's image."""
        self.replica.take_on(now=self._env.now)
        self._waiting.append(job)
        if len(self._waiting) == 1:
            self._env.process(self._flush_soon())

    def _flush_soon(self) -> Steps:
        yield self._env.timeout(0)
        self._flush()

    def _flush(self) -> None:
        while self._waiting and len(self._on_road) < MAX_REQUESTS:
            count = min(len(self._waiting), self.replica.max_batch_size)
            self._env.process(self._carry([self._waiting.popleft() for _ in range(count)]))
            self._on_road.append(count)

    def _carry(self, jobs: list[int]) -> Steps:
        began, work = self._env.now, sum(self._on_road)
        yield self._server.send(len(jobs))
        self._on_road.remove(len(jobs))
        now = self._env.now
        self.replica.let_go(len(jobs), now=now)
        self.replica.record_success(now - began, items=len(jobs), work=max(work, 1), now=now)
        self._on_answer(jobs)
        self._flush()


class SimulatedPool:
    """Gives each image to the replica that the dispatcher would choose."""

    def __init__(self, env: simpy.Environment, lanes: Sequence[SimulatedLane]) -> None:
        self._env = env
        self._lanes = {lane.replica.url: lane for lane in lanes}
        self._replicas = [lane.replica for lane in lanes]
        self._waiting: deque[int] = deque()

    @property
    def slots(self) -> int:
        """Return how many images the replicas may have together (pools/pool)."""
        return sum(2 * replica.max_batch_size for replica in self._replicas)

    def process(self, job: int) -> None:
        """Have an image processed, as soon as a replica has room."""
        self._waiting.append(job)
        self.dispatch()

    def dispatch(self) -> None:
        """Give away what waits."""
        while self._waiting:
            chosen = choose_replica(self._replicas, now=self._env.now)
            if chosen is None:
                return
            note_choice(self._replicas, chosen)
            self._lanes[chosen.url].add(self._waiting.popleft())


def ready_replica(number: int, *, max_batch_size: int) -> Replica:
    """Return a replica as the dispatcher knows one that is ready."""
    return Replica(
        url=f"replica-{number}",
        step="scripted/0",
        state=ReplicaState.READY,
        max_batch_size=max_batch_size,
    )
