"""What a shared queue does all the time: consume, look, renew. Three thin loops.

Each goes on whatever fails: the broker and the backlog may be away at any time.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from dispatcher.errors import ResultsUnavailableError
from dispatcher.jobs import Job, Priority
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.declarations import Declarations, QueueCount, queue_names
from dispatcher.queues.demand import Demand
from dispatcher.queues.holdings import Holdings
from dispatcher.queues.places import Held, LaneSnapshot, Snapshot
from dispatcher.queues.shared_figures import SharedFigures
from dispatcher.queues.subscriptions import Subscriptions
from dispatcher.servers.broker_link import BrokerAwayError, end_task

_log = logging.getLogger(__name__)

LEASE_S: Final = 5.0
"""A job in work is somebody else's when nothing was heard for so long, and it is delivered anew."""
_RENEW_EVERY_S: Final = 1.0
"""What is in work; all that is held, so that it counts as seen, less often."""
_RENEW_ALL_EVERY_S: Final = 15.0
_CLOSE_WITHIN_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.5
_LOOK_SHARE: Final = 0.1
"""Part of the time that may go into looking, however many queues there are."""
_CONSUMING_WITHIN_S: Final = 3.0
"""A consumer that the broker does not count after so long is not there."""
_DEAF_AFTER_S: Final = 5.0
"""A consumer that is sent nothing for so long, while jobs wait, may not hear."""
_UNSEEN_FOR_S: Final = 2 * _RENEW_ALL_EVERY_S
"""A job that waits according to the backlog, of which no dispatcher says for so long that it has
it, and whose queue is empty, is lost."""

_SILENT_FOR_S: Final = 30.0
"""A queue that says nothing for so long while others do is not coming back by itself: leaders are
elected within seconds."""
_UNSERVED: Final = "lanes that nobody serves"
_UNSERVED_FOR_S: Final = 30.0

OnGone = Callable[[str, Priority], Awaitable[None]]
"""Takes a lane and priority whose messages are gone."""


class Upkeep:
    """Keeps one dispatcher's part of a shared queue in order."""

    def __init__(
        self,
        *,
        backlog: Backlog,
        declarations: Declarations,
        demand: Demand,
        figures: SharedFigures,
        holdings: Holdings,
        subscriptions: Subscriptions,
        owner: str,
        on_more: Callable[[Job], None],
        on_gone: OnGone,
        on_lost: Callable[[], None],
    ) -> None:
        """Keep these in order.

        Args:
            backlog: what all know together.
            declarations: the queues of the broker.
            demand: what is to be consumed.
            figures: what is told at once.
            holdings: what was delivered.
            subscriptions: what is consumed.
            owner: who this is, to the backlog.
            on_more: called with each job that was put aside and waits again.
            on_gone: called when a queue is not there any more.
            on_lost: called when jobs were in no queue any more, and with no dispatcher.
        """
        self._backlog = backlog
        self._declarations = declarations
        self._demand = demand
        self._figures = figures
        self._holdings = holdings
        self._subscriptions = subscriptions
        self._owner = owner
        self._on_more = on_more
        self._on_gone = on_gone
        self._on_lost = on_lost
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._all_renewed_at = 0.0
        self._empty_at: dict[str, float] = {}
        """When a queue was seen to be empty while jobs wait, monotonic seconds."""
        self._consumers: dict[str, int] = {}

    def hurry(self) -> None:
        """Consume at once what is wanted now."""
        self._changed.set()

    def consumers(self, lane: str) -> int:
        """Return how many dispatchers consumed a lane at the last look."""
        return self._consumers.get(lane, 0)

    def start(self) -> None:
        """Begin."""
        self._loops = [
            asyncio.create_task(loop) for loop in (self._follow(), self._look(), self._renew())
        ]

    async def close(self) -> None:
        """End; what is being asked of a server is waited for, for a moment."""
        self._closing.set()
        self._changed.set()
        if self._loops:
            await asyncio.wait(self._loops, timeout=_CLOSE_WITHIN_S)
        await asyncio.gather(*(end_task(loop) for loop in self._loops))

    async def _follow(self) -> None:
        """Consume what is wanted."""
        while not self._closing.is_set():
            self._changed.clear()
            await _try(self._follow_once)
            await _wait(self._changed, for_s=_LOOK_EVERY_S)

    async def _follow_once(self) -> None:
        lanes = self._demand.lanes()
        await asyncio.gather(*(_try(partial(self._declarations.declare, lane)) for lane in lanes))
        await self._subscriptions.follow(self._demand.wanted())
        for name in self._subscriptions.silent(for_s=_SILENT_FOR_S):
            await self._replace(name)

    async def _replace(self, name: str) -> None:
        """Delete a queue that the broker is silent about, and make it again.

        RabbitMQ 3.10 may leave a queue without a leader for ever after it was killed. What was in
        it is recorded elsewhere, and queued again like that of a queue which somebody else has
        deleted.
        """
        queues = {
            queue: (lane, priority)
            for lane in self._declarations.lanes
            for priority, queue in queue_names(lane).items()
        }
        duty = f"replacing {name}"
        if name in queues and await self._backlog.try_lead(duty, for_s=_SILENT_FOR_S):
            _log.error("a queue of the broker does nothing and is replaced", extra={"queue": name})
            self._subscriptions.expect(name)
            await self._declarations.delete(name)
            await self._on_gone(*queues[name])

    async def _look(self) -> None:
        """Look what is in the broker and in the backlog."""
        while not self._closing.is_set():
            began = time.monotonic()
            await _try(self._look_once)
            took_s = time.monotonic() - began
            await _wait(self._closing, for_s=max(_LOOK_EVERY_S, took_s / _LOOK_SHARE))

    async def _look_once(self) -> None:
        before = self._figures.begin_look()
        seen = None
        try:
            seen = await self._backlog.snapshot()
        except ResultsUnavailableError:
            _log.debug("the backlog is away")
        if seen is not None:
            self._believe(seen, before)
        counts = await self._count(set(self._declarations.lanes) | set(self._figures.lanes()))
        if seen is None:
            before = self._figures.begin_look()
            self._believe(self._guess(counts), before)
        await self._judge(counts, is_known=seen is not None)

    def _believe(self, seen: Snapshot, before: tuple[bool, int]) -> None:
        held = [one.job for one in self._holdings.all() if not one.is_leased]
        self._figures.take(seen, before, held=held)

    async def _count(self, lanes: set[str]) -> dict[str, dict[Priority, QueueCount]]:
        """Return what is in the queues of these lanes; those that are gone are made again."""
        counts: dict[str, dict[Priority, QueueCount]] = {}
        for lane in sorted(lanes):
            counts[lane] = {}
            for priority, name in queue_names(lane).items():
                count = await self._declarations.count(name)
                if count is not None:
                    counts[lane][priority] = count
                elif lane in self._declarations.lanes:
                    await self._on_gone(lane, priority)
            self._consumers[lane] = max((one.consumers for one in counts[lane].values()), default=0)
        return counts

    async def _judge(
        self, counts: dict[str, dict[Priority, QueueCount]], *, is_known: bool
    ) -> None:
        """Mend what the broker's counts show to be amiss."""
        active = self._subscriptions.active()
        served: dict[str, bool] = {}
        for lane, by_priority in counts.items():
            ready = sum(count.ready for count in by_priority.values())
            own = any(name in active for name in queue_names(lane).values())
            held = any(one.job.pipeline_id == lane for one in self._holdings.all())
            if ready or held:
                served[lane] = self._consumers[lane] > own
            is_stuck = not ready and self._figures.waiting(lane) > 0
            for priority, count in by_priority.items():
                await self._check_consumer(queue_names(lane)[priority], count, is_stuck=is_stuck)
                if is_known:
                    await self._look_for_lost(lane, priority, ready=count.ready)
        self._demand.note_served(served, is_leader=await self._minds_unserved(served))

    async def _minds_unserved(self, served: Mapping[str, bool]) -> bool:
        """Say whether this is the one process that minds lanes which nobody serves."""
        if all(served.values()) or not self._demand.is_worker:
            return False
        return await self._backlog.try_lead(_UNSERVED, for_s=_UNSERVED_FOR_S)

    async def _check_consumer(self, name: str, count: QueueCount, *, is_stuck: bool) -> None:
        """Consume a queue anew when its consumer is not there, or does not hear.

        RabbitMQ 3.10 moves the consumers of a queue that is deleted, and made again before it has
        told them, to the new one; then their client's part in the broker drops whatever they are
        sent, as if it had been sent before.
        """
        subscription = self._subscriptions.active().get(name)
        if subscription is None:
            return
        silent_s = time.monotonic() - max(subscription.began_at, subscription.heard_at)
        is_idle = not self._holdings.of(subscription)
        is_deaf = (count.ready or is_stuck) and is_idle and silent_s > _DEAF_AFTER_S
        if is_deaf or (not count.consumers and silent_s > _CONSUMING_WITHIN_S):
            _log.info("a queue is consumed anew", extra={"queue": name})
            await self._subscriptions.renew(name)
            self.hurry()

    async def _look_for_lost(self, lane: str, priority: Priority, *, ready: int) -> None:
        """Forget the places of jobs whose message is gone although their queue is there.

        It was deleted, say, and made again by one who did not know that there had been another.
        A queue is seen to be empty twice, since one without a leader says that it is.
        """
        if ready or not self._figures.waiting(lane):
            return
        name, now = queue_names(lane)[priority], time.monotonic()
        if now - self._empty_at.setdefault(name, now) < _RENEW_ALL_EVERY_S:
            return
        del self._empty_at[name]
        lost = await self._backlog.lose(lane, priority, unseen_for_s=_UNSEEN_FOR_S)
        if lost:
            _log.error("%d jobs waited in no queue", lost, extra={"lane": lane})
            self._on_lost()

    def _guess(self, counts: dict[str, dict[Priority, QueueCount]]) -> Snapshot:
        """Return what the broker alone can tell: less, while the backlog is away."""
        lanes = {}
        for lane, by_priority in counts.items():
            held = [
                one.job
                for one in self._holdings.all()
                if not one.is_leased and one.job.pipeline_id == lane
            ]
            lanes[lane] = LaneSnapshot(
                waiting=sum(count.ready for count in by_priority.values()) + len(held),
                working=self._holdings.leased_of(lane),
                size_bytes=sum(job.size_bytes for job in held),
                oldest_at=min((job.queued_at for job in held), default=None),
                first_ids=tuple(job.id for job in held),
            )
        return Snapshot(lanes, tenants={})

    async def _renew(self) -> None:
        """Tell the backlog what is here and goes on, and look at what was put aside."""
        while not self._closing.is_set():
            await _try(self._renew_once)
            await _wait(self._closing, for_s=_RENEW_EVERY_S)

    async def _renew_once(self) -> None:
        for job in self._holdings.look_aside():
            self._on_more(job)
        are_all_due = time.monotonic() - self._all_renewed_at >= _RENEW_ALL_EVERY_S
        held = [
            Held(one.job, is_in_work=one.is_leased)
            for one in self._holdings.all()
            if one.is_leased or (are_all_due and one.aside_until is None)
        ]
        if are_all_due:
            self._all_renewed_at = time.monotonic()
        if held:
            await self._backlog.renew(held, owner=self._owner, lease_s=LEASE_S)


async def _wait(event: asyncio.Event, *, for_s: float) -> None:
    """Wait for an event, at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await event.wait()


async def _try(act: Callable[[], Awaitable[None]]) -> None:
    """Do something that may fail for a while."""
    try:
        await act()
    except (BrokerAwayError, ResultsUnavailableError):
        _log.debug("a server is away", exc_info=True)
    except Exception:
        _log.exception("the upkeep of the queue failed")
