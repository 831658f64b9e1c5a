"""A queue in the database: what waits survives the process.

The order is kept in memory; the database has what is needed to build it again. Leases are in
memory only, so that those of a dead process are void at once.
"""

import asyncio
import itertools
import time
from collections.abc import Collection, Sequence

import apsw

from dispatcher.jobs import Job, Priority
from dispatcher.queues.base import Lease, QueueFullError
from dispatcher.queues.lanes import LaneFigures, Waiting
from dispatcher.storage.writer import Writer
from dispatcher.storage.writes import Write


class SqliteJobQueue(LaneFigures):
    """A ``JobQueue`` for one process at a time."""

    outlives_process = True

    def __init__(self, writer: Writer, *, capacity: int) -> None:
        self._writer = writer
        super().__init__(capacity=capacity)
        self._more = asyncio.Event()
        self._places: dict[str, int] = {}
        """Job id to its key in the database."""
        self._next_place = itertools.count(1)
        self._coming = 0
        """Jobs that are being committed."""

    async def start(self) -> None:
        """Let everything wait again, in its order."""
        await self._writer.start()
        now, last = time.time(), 0
        rows = self._writer.read(
            "SELECT place, job_id, lane, priority, size_bytes, tenant, queued_at, deliveries "
            "FROM queue ORDER BY place"
        )
        surplus = []
        for place, job_id, lane, priority, size_bytes, tenant, queued_at, deliveries in rows:
            last = place
            if job_id in self._places:
                surplus.append(place)
                continue
            self._places[job_id] = place
            self._lanes.restore(
                Waiting(
                    job_id,
                    lane=lane,
                    priority=Priority(priority),
                    size_bytes=size_bytes,
                    tenant=tenant,
                    waited_s=max(0.0, now - queued_at),
                    deliveries=deliveries,
                )
            )
        self._next_place = itertools.count(last + 1)
        if surplus:  # whoever wrote to the file by hand: a job has one place
            await self._writer.submit(_deletion(surplus))
        if rows:
            self._more.set()

    async def close(self) -> None:
        """Nothing to close: the writer is closed by itself."""

    async def put(self, jobs: Sequence[Job], *, is_admitted: bool = False) -> int:
        """Add jobs and return the depth with them."""
        if self.depth() + self._coming >= self._capacity and not is_admitted:
            raise QueueFullError
        if not jobs:
            return self.depth()
        places = {job.id: next(self._next_place) for job in jobs}
        self._coming += len(jobs)
        try:
            await self._writer.submit(_insertion(jobs, places), is_new_work=True)
        except asyncio.CancelledError:  # the rows are, or will be, there
            self._writer.post(_deletion(list(places.values())))
            raise
        finally:
            self._coming -= len(jobs)
        for job in jobs:
            self._places[job.id] = places[job.id]
            self._lanes.add(job)
        self._more.set()
        return self.depth()

    async def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first."""
        lease = self._lanes.reserve(lanes)
        if lease is not None:
            self._writer.post(_count_delivery(self._places[lease.job_id], 1))
        return lease

    async def wait_for_more(self) -> None:
        """Return after the next ``put`` or ``nack``."""
        await self._more.wait()
        self._more.clear()

    async def ack(self, lease: Lease) -> bool:
        """Remove a leased job for good."""
        is_ended = self._lanes.end(lease)
        if is_ended:
            self._forget(lease.job_id)
        return is_ended

    async def nack(self, lease: Lease) -> bool:
        """Give a leased job back."""
        is_back = self._lanes.give_back(lease)
        if is_back:
            self._writer.post(_count_delivery(self._places[lease.job_id], -1))
            self._more.set()
        return is_back

    async def withdraw(self, job_id: str) -> bool:
        """Remove a waiting job for good."""
        is_gone = self._lanes.withdraw(job_id)
        if is_gone:
            self._forget(job_id)
        return is_gone

    def _forget(self, job_id: str) -> None:
        self._writer.post(_deletion([self._places.pop(job_id)]))


def _insertion(jobs: Sequence[Job], places: dict[str, int]) -> Write:
    rows = [
        (
            places[job.id],
            job.id,
            job.pipeline_id,
            job.priority,
            job.size_bytes,
            job.tenant,
            job.queued_at,
        )
        for job in jobs
    ]

    def write(database: apsw.Connection) -> None:
        database.executemany(
            "INSERT INTO queue (place, job_id, lane, priority, size_bytes, tenant, queued_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    return write


def _deletion(places: Sequence[int]) -> Write:
    def write(database: apsw.Connection) -> None:
        database.executemany("DELETE FROM queue WHERE place = ?", [(place,) for place in places])

    return write


def _count_delivery(place: int, change: int) -> Write:
    def write(database: apsw.Connection) -> None:
        database.execute(
            "UPDATE queue SET deliveries = deliveries + ? WHERE place = ?", (change, place)
        )

    return write
