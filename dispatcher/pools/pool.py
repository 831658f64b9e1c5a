"""The replicas of one step, as one thing that processes items."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.errors import NoCapacityError, NotSentError
from dispatcher.pools.health import (
    FailureKind,
    HealthPolicy,
    eject,
    ejection_s,
    may_readmit,
    readmit,
    should_eject,
)
from dispatcher.pools.lane import Lane
from dispatcher.pools.parcel import Answer, Parcel
from dispatcher.pools.replica import Replica
from dispatcher.pools.routing import choose_replica, note_choice
from step_app.contract.frames import BatchItem

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    parcel: Parcel
    avoid: Collection[str]
    prefer: str = ""


class Pool:
    """Gives each item to the least loaded ready replica; items wait while none has room."""

    def __init__(
        self,
        step: str,
        *,
        client: ReplicaClient,
        policy: HealthPolicy,
        on_room: Callable[[], None],
        on_ejected: Callable[[FailureKind], None] = lambda _: None,
    ) -> None:
        self.step = step
        self._client = client
        self._policy = policy
        self._on_room = on_room
        self._on_ejected = on_ejected
        self._lanes: dict[str, Lane] = {}
        self._leaving: list[Lane] = []
        """To replicas that get no more work and have not answered all of what they had."""
        self._left_busy_s = 0.0
        """How long replicas were busy that have left, all together."""
        self._waiting: deque[_Waiting] = deque()
        self._ready_at = time.monotonic()
        """When a replica was ready last, if none is now."""

    @property
    def replicas(self) -> list[Replica]:
        """All known replicas."""
        return [lane.replica for lane in self._lanes.values()]

    @property
    def slots(self) -> int:
        """Return how many items the ready replicas may have together."""
        return sum(2 * r.max_batch_size for r in self.replicas if r.is_ready)

    def starved_s(self, *, now: float) -> float:
        """Return for how long no replica has been ready; 0 while one is."""
        return 0.0 if self.ready else max(0.0, now - self._ready_at)

    @property
    def ready(self) -> int:
        """Return how many replicas are ready."""
        return sum(replica.is_ready for replica in self.replicas)

    @property
    def is_idle(self) -> bool:
        """Say whether nothing waits here and no replica has anything on hand."""
        lanes = (*self._lanes.values(), *self._leaving)
        return not self._waiting and all(lane.is_idle for lane in lanes)

    def busy_s(self, *, now: float) -> float:
        """Return how long its replicas have had work on hand, all of them together."""
        lanes = (*self._lanes.values(), *self._leaving)
        return self._left_busy_s + sum(lane.replica.busy_s(now=now) for lane in lanes)

    async def process(
        self,
        item: BatchItem,
        *,
        avoid: Collection[str] = (),
        alone: bool = False,
        weight_bytes: int = 0,
        prefer: str = "",
        patience_s: float,
    ) -> Answer:
        """Have one item processed.

        Args:
            item: the image and its params.
            avoid: URLs of replicas that failed this item before.
            alone: let nothing else be on the road with it.
            weight_bytes: about how many bytes of pixels it becomes.
            prefer: URL of the replica that takes least time for it; empty for any.
            patience_s: how long to wait for a replica that has room, in seconds.

        Raises:
            AttemptError: the attempt failed, or no replica had room in time.

        Whoever is cancelled while it waits gives the replica free for others at once.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        waiting = _Waiting(
            Parcel(item, answer, weight_bytes=weight_bytes, alone=alone), avoid, prefer
        )
        self._waiting.append(waiting)
        self._dispatch()
        timer = None
        if waiting in self._waiting:
            timer = loop.call_later(patience_s, self._give_up, waiting)
        try:
            return await answer
        except asyncio.CancelledError:
            self._take_back(waiting)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def set_replicas(self, urls: Iterable[str]) -> None:
        """Take the set of replicas that should exist.

        The others get nothing more and may finish what they have begun: whoever ends a replica
        lets it do so, and one that has ended already breaks its connections.
        """
        wanted = list(dict.fromkeys(urls))
        if self.ready:
            self._ready_at = time.monotonic()
        for url in [url for url in self._lanes if url not in wanted]:
            lane = self._lanes.pop(url)
            self._leaving.append(lane)
            lane.retire()
        for url in wanted:
            if url not in self._lanes:
                self._lanes[url] = Lane(
                    Replica(url=url, step=self.step),
                    client=self._client,
                    policy=self._policy,
                    on_room=self._dispatch,
                    on_failure=self._handle_failure,
                )
        self._dispatch()

    def apply_probe(self, replica: Replica, report: ReadyReport | None) -> None:
        """Take the outcome of a probe: readmit a well replica, eject one that keeps silent."""
        lane = self._lanes.get(replica.url)
        if lane is None or lane.replica is not replica:
            return  # it has left since it was asked; another may be there at its URL
        if report is not None:
            replica.failed_probes = 0
            now, ready = time.monotonic(), self.ready
            if may_readmit(replica, self._policy, now=now, ready=ready, known=len(self._lanes)):
                readmit(
                    replica,
                    revision=report.revision,
                    max_batch_size=report.max_batch_size,
                    now=now,
                )
                _log.info("replica %s of %s is ready", replica.url, self.step)
            # Also for what waits for a replica that was fast and may have fallen silent since.
            self._dispatch()
            return
        replica.failed_probes += 1
        if replica.is_ready and replica.failed_probes >= self._policy.probes_to_eject:
            self._eject(lane, FailureKind.GONE)

    async def close(self) -> None:
        """Give back everything that waits or is on the road."""
        while self._waiting:
            self._waiting.popleft().parcel.fail(NotSentError("the pool is closed"))
        for lane in (*self._lanes.values(), *self._leaving):
            await lane.close()

    def _dispatch(self) -> None:
        """Give away what waits, in order; one that avoids the free replicas lets others pass."""
        now = time.monotonic()
        self._see_off(now=now)
        for waiting in list(self._waiting):
            if not waiting.parcel.answer.done():
                replica = choose_replica(
                    self.replicas, avoid=waiting.avoid, prefer=waiting.prefer, now=now
                )
                if replica is None and not waiting.avoid:
                    break
                if replica is None:
                    continue
                note_choice(self.replicas, replica)
                self._lanes[replica.url].add(waiting.parcel)
            self._waiting.remove(waiting)
        self._on_room()

    def _see_off(self, *, now: float) -> None:
        """Forget replicas that have answered all of what they had when they left."""
        gone = [lane for lane in self._leaving if lane.is_idle]
        self._left_busy_s += sum(lane.replica.busy_s(now=now) for lane in gone)
        self._leaving = [lane for lane in self._leaving if lane not in gone]

    def _give_up(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            waiting.parcel.fail(NoCapacityError("no replica could take the image"))

    def _take_back(self, waiting: _Waiting) -> None:
        """Drop an item that nobody waits for any more, wherever it is."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._on_room()
            return
        for lane in (*self._lanes.values(), *self._leaving):
            if lane.take_back(waiting.parcel):
                return

    def _handle_failure(self, lane: Lane, failure: FailureKind) -> None:
        if lane in self._leaving:
            if failure in (FailureKind.GONE, FailureKind.SILENT):
                lane.fail_all()
        elif lane.replica.is_ready and should_eject(
            lane.replica, self._policy, failure=failure, ready=self.ready
        ):
            self._eject(lane, failure)

    def _eject(self, lane: Lane, failure: FailureKind) -> None:
        duration_s = ejection_s(lane.replica, self._policy, failure=failure)
        self._ready_at = time.monotonic()
        eject(lane.replica, now=self._ready_at, duration_s=duration_s)
        _log.warning("replica %s of %s is ejected: %s", lane.replica.url, self.step, failure.name)
        self._on_ejected(failure)
        lane.fail_all()
