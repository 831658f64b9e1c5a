"""Jobs in RabbitMQ: quorum queues that several dispatchers fill and empty.

The broker keeps the order and hands out; what all dispatchers know together of a job (that it
waits, who works on it, how often it was begun, who waits for the same) is in the backlog. The
backlog may be away at any time: then nothing is linked, and a job may be done twice, with one
result that counts.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Final

from dispatcher.errors import QueueUnavailableError, ResultsUnavailableError
from dispatcher.jobs import Job, Priority
from dispatcher.queues.backlog import Backlog
from dispatcher.queues.base import Lease, QueueFullError
from dispatcher.queues.dead_letters import DeadLetters
from dispatcher.queues.declarations import Declarations
from dispatcher.queues.deliveries import Deliveries
from dispatcher.queues.demand import Demand
from dispatcher.queues.entering import Entering
from dispatcher.queues.holdings import Holdings
from dispatcher.queues.places import Place, Snapshot, Taken, Taking, Withdrawn
from dispatcher.queues.publishing import RETRY_AFTER_S, Publishing
from dispatcher.queues.report import QueueReport
from dispatcher.queues.shared_figures import SharedFigures
from dispatcher.queues.shared_report import report_lanes
from dispatcher.queues.subscriptions import Subscriptions
from dispatcher.queues.upkeep import LEASE_S, Upkeep
from dispatcher.servers.broker import Broker
from dispatcher.servers.broker_link import BrokerAwayError

_log = logging.getLogger(__name__)

_DEAD_DELIVERIES: Final = 1_000_000
"""Of a job that the broker has given up: more than any job may have."""


class RabbitmqJobQueue:
    """A ``JobQueue`` for any number of dispatchers."""

    outlives_process = True
    is_shared = True

    def __init__(
        self,
        broker: Broker,
        backlog: Backlog,
        *,
        capacity: int,
        prefetch_count: int = 0,
        on_stop: Callable[[str], None] = lambda _: None,
        on_lost: Callable[[], None] = lambda: None,
        may_work: Callable[[], bool] = lambda: True,
    ) -> None:
        """Use a broker.

        Args:
            broker: started before and closed after.
            backlog: what all dispatchers know together.
            capacity: most jobs that may wait.
            prefetch_count: jobs of a lane and priority that this process takes at a time; 0 means
                as many as it has room for.
            on_stop: called with each job that nobody wants any more.
            on_lost: called when a queue was gone, so that jobs may have lost their place.
            may_work: says whether jobs may be taken at all.
        """
        self._broker = broker
        self._backlog = backlog
        self._capacity = capacity
        self._on_lost = on_lost
        self._may_work = may_work
        self._owner = secrets.token_hex(8)
        self._more = asyncio.Event()
        self._figures = SharedFigures()
        self._holdings = Holdings()
        self._demand = Demand(prefetch_count=prefetch_count)
        self._declarations = Declarations(broker.managing)
        self._publishing = Publishing(broker, self._declarations, on_gone=self._note_gone)
        self._entering = Entering(backlog, self._publishing, capacity=capacity, spawn=self._spawn)
        self._dead_letters = DeadLetters(broker, self._declarations, self._publishing)
        self._deliveries = Deliveries(
            self._holdings, self._dead_letters, on_new=self._note_delivered, spawn=self._spawn
        )
        self._subscriptions = Subscriptions(
            broker.consuming,
            spare=broker.managing,
            on_delivery=self._deliveries.take,
            on_lost=self._holdings.lose,
            release=self._deliveries.release,
            is_in_use=lambda subscription: bool(self._holdings.of(subscription)),
        )
        self._upkeep = Upkeep(
            backlog=backlog,
            declarations=self._declarations,
            demand=self._demand,
            figures=self._figures,
            holdings=self._holdings,
            subscriptions=self._subscriptions,
            owner=self._owner,
            on_more=self._note_delivered,
            on_gone=self._mend,
            on_lost=on_lost,
        )
        self._background: set[asyncio.Task[None]] = set()
        backlog.on_stop(on_stop)

    def unready(self) -> str | None:
        """Say, for people, why nothing can be put in at the moment; None when it can."""
        return self._broker.unready()

    def offer(self, room: Mapping[str, int] | None) -> None:
        """Tell for how many jobs of each lane this process has room; None when it takes none."""
        if self._demand.offer(room if self._may_work() else None):
            self._upkeep.hurry()

    async def start(self) -> None:
        """Begin to consume; the broker is waited for in the background."""
        self._upkeep.start()

    async def close(self) -> None:
        """Give back to others what was not begun."""
        await self._upkeep.close()
        if self._background:
            await asyncio.wait(self._background, timeout=LEASE_S)
        await self._subscriptions.close()

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        """Add jobs and return the depth with them; what is linked to other jobs is not counted."""
        if not is_admitted and jobs and self.depth() >= self._capacity:
            raise QueueFullError
        with self._figures.changing():
            for job in jobs:
                self._deliveries.expect(job.id)
                self._figures.note_waiting(job)
            placeless: Sequence[Job] = jobs
            try:
                placeless = await self._entering.enter(jobs, is_admitted=is_admitted)
            finally:
                for job in placeless:
                    self._figures.note_gone(job.id)
        return self.depth()

    async def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first; None when none waits here."""
        while self._may_work() and (local := self._holdings.reserve(lanes)) is not None:
            lease = await self._begin(local)
            if lease is not None:
                return lease
        return None

    async def wait_for_more(self) -> None:
        """Return after the next delivery or ``nack``."""
        await self._more.wait()
        self._more.clear()

    async def ack(self, lease: Lease) -> bool:
        """Remove a leased job for good."""
        holding = self._holdings.end(lease)
        if holding is None:
            return False
        with self._figures.changing():
            await self._deliveries.finish(holding)
            try:
                successor = await self._backlog.end(lease.job_id, owner=self._owner)
            except ResultsUnavailableError:
                successor = None
        if successor is not None:
            self._spawn(self._entering.replace(successor))
        return True

    async def nack(self, lease: Lease) -> bool:
        """Give a leased job back."""
        holding = self._holdings.give_back(lease)
        if holding is None:
            return False
        with self._figures.changing():
            self._figures.note_waiting(holding.job)
            self._more.set()
            try:
                await self._backlog.give_back(lease.job_id, owner=self._owner)
            except ResultsUnavailableError:
                _log.debug("the backlog was not told of a job that waits again")
        return True

    async def unlink(self, lease: Lease) -> Sequence[str]:
        """Return the ids of the jobs that are linked to a leased one; from now on none is.

        None when that cannot be told: they are found as jobs without a place.
        """
        try:
            return await self._backlog.unlink(lease.job_id)
        except ResultsUnavailableError:
            return ()

    async def withdraw(self, job_id: str) -> bool:
        """Remove a waiting job for good; False when it does not wait."""
        with self._figures.changing():
            holding = self._holdings.take_out(job_id)
            try:
                withdrawn = await self._backlog.withdraw(job_id)
            except ResultsUnavailableError:
                withdrawn = Withdrawn(Place.UNKNOWN)
            is_gone = holding is not None or withdrawn.place is Place.WAITING
            if is_gone:
                self._deliveries.expect_no_more(job_id)
                self._figures.note_gone(job_id)
        if holding is not None:
            self._spawn(self._deliveries.finish(holding))
        if withdrawn.successor is not None:
            self._spawn(self._entering.replace(withdrawn.successor))
        return is_gone

    async def report(self) -> QueueReport:
        """Tell an operator what waits and what is in work, everywhere."""
        try:
            seen = await self._backlog.snapshot()
        except ResultsUnavailableError:
            seen = Snapshot(lanes={}, tenants={})
        try:
            lanes = await report_lanes(self._declarations, seen)
            return QueueReport(lanes, dead=await self._dead_letters.count())
        except BrokerAwayError as exc:
            raise _unavailable() from exc

    async def put_back_dead(self, *, limit: int) -> int:
        """Let messages that no dispatcher could read be tried again; return how many."""
        try:
            return await self._dead_letters.put_back(limit=limit)
        except (BrokerAwayError, QueueFullError) as exc:
            raise _unavailable() from exc

    async def drop_dead(self) -> int:
        """Throw away the messages that no dispatcher could read; return how many."""
        try:
            return await self._dead_letters.drop()
        except BrokerAwayError as exc:
            raise _unavailable() from exc

    def depth(self) -> int:
        """Return how many jobs wait."""
        return self._figures.depth()

    def waiting_bytes(self) -> int:
        """Return the size of the images of all waiting jobs."""
        return self._figures.waiting_bytes()

    def waiting_of(self, tenant: str) -> int:
        """Return how many jobs of a tenant wait."""
        return self._figures.waiting_of(tenant)

    def lanes(self) -> list[str]:
        """Return the lanes in which jobs wait."""
        return self._figures.lanes()

    def is_idle(self, lane: str) -> bool:
        """Say whether no job of a lane waits or is in work, at any dispatcher."""
        return not (self.pending(lane) or self._figures.working(lane))

    def pending(self, lane: str) -> int:
        """Return this dispatcher's share of the waiting jobs of a lane, and those in its work."""
        waiting, workers = self._figures.waiting(lane), max(1, self._upkeep.consumers(lane))
        return -(-waiting // workers) + self._holdings.leased_of(lane)

    def leased(self) -> int:
        """Return how many jobs are in work here."""
        return self._holdings.leased()

    @property
    def capacity(self) -> int:
        """Most jobs that may wait."""
        return self._capacity

    def position(self, job_id: str) -> int | None:
        """Return how many jobs of its lane come before this one; None when it does not wait."""
        return self._figures.position(job_id)

    def oldest_age_s(self) -> float:
        """Return how long the oldest waiting job has waited, in seconds; 0 when none does."""
        return self._figures.oldest_age_s()

    async def _begin(self, local: Lease) -> Lease | None:
        """Return the lease once the backlog knows of it; None when the job is not to be begun."""
        holding = self._holdings.find(local.job_id)
        assert holding is not None, "it was just leased"
        with self._figures.changing():
            try:
                taken = await self._ask_to_begin(holding.job)
            except BaseException:
                self._holdings.give_back(local)
                raise
            self._figures.note_gone(local.job_id)
        if taken.outcome is Taking.BEGUN:
            deliveries = _DEAD_DELIVERIES if holding.is_dead else taken.beginnings
            return replace(local, deliveries=deliveries)
        if taken.outcome is Taking.BUSY:
            self._holdings.put_aside(local, for_s=taken.busy_s)
        elif self._holdings.end(local) is not None:
            self._spawn(self._deliveries.finish(holding))
        return None

    async def _ask_to_begin(self, job: Job) -> Taken:
        try:
            return await self._backlog.reserve(job, owner=self._owner, lease_s=LEASE_S)
        except ResultsUnavailableError:
            return Taken(Taking.BEGUN, beginnings=1)

    def _note_delivered(self, job: Job) -> None:
        self._figures.note_waiting(job)
        self._more.set()

    def _note_gone(self, lane: str, priority: Priority) -> None:
        self._spawn(self._mend(lane, priority))

    async def _mend(self, lane: str, priority: Priority) -> None:
        """Make a queue again that was gone, and have its jobs queued again."""
        extra = {"lane": lane, "priority": priority.name.lower()}
        _log.error("a queue of the broker was gone, or empty against expectation", extra=extra)
        self._declarations.forget(lane)
        try:
            await self._backlog.lose(lane, priority)
        except ResultsUnavailableError:
            _log.debug("the backlog was not told of a queue that was gone")
        self._on_lost()
        try:
            await self._declarations.declare(lane)
        except BrokerAwayError:
            _log.debug("a queue is made again when the broker is back")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _unavailable() -> QueueUnavailableError:
    return QueueUnavailableError("The queue's server does not answer.", retry_after_s=RETRY_AFTER_S)
