"""What the broker has delivered to this process: jobs in its hands, waiting or in work.

A message stays unacknowledged for as long as its job is held, so the broker gives it to others
when this process ends. One whose channel is lost is void: a job that waits is dropped, because it
is delivered again, to whomever; one in work goes on without, and gets the new message when that
comes here.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from aio_pika.abc import AbstractIncomingMessage

from dispatcher.jobs import Job
from dispatcher.queues.base import Lease
from dispatcher.queues.lanes import Lanes, Waiting


@dataclass(slots=True)
class Holding:
    """One job in the hands of this process."""

    job: Job
    message: AbstractIncomingMessage | None
    """None when its channel was lost."""
    source: object
    """The subscription that delivered it."""
    is_dead: bool = False
    """Whether the broker has given it up."""
    is_leased: bool = False
    aside_until: float | None = None
    """Monotonic seconds until which somebody else's work on it is waited for."""


class Holdings:
    """The jobs of one process, in the order in which they are to be taken."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: dict[str, Holding] = {}
        # This clock stands still, so that jobs are ordered by the Unix times at which they came.
        self._lanes = Lanes(clock=lambda: 0.0)

    def all(self) -> list[Holding]:
        """Return everything that is held."""
        return list(self._all.values())

    def find(self, job_id: str) -> Holding | None:
        """Return what is held of a job; None when nothing is."""
        return self._all.get(job_id)

    def leased(self) -> int:
        """Return how many jobs are leased."""
        return self._lanes.leased()

    def leased_of(self, lane: str) -> int:
        """Return how many jobs of a lane are leased."""
        return sum(one.is_leased and one.job.pipeline_id == lane for one in self._all.values())

    def arrive(
        self, job: Job, message: AbstractIncomingMessage, *, source: object, is_dead: bool = False
    ) -> AbstractIncomingMessage | None:
        """Take a delivery; return a message that is one too many, if there is one.

        Two messages of one job mean one job, however the second came to be.
        """
        known = self._all.get(job.id)
        if known is not None:
            spare, known.message, known.source = known.message, message, source
            return spare
        self._all[job.id] = Holding(job, message, source, is_dead)
        self._wait(job)
        return None

    def reserve(self, lanes: Collection[str]) -> Lease | None:
        """Lease the job of these lanes that is due first."""
        lease = self._lanes.reserve(lanes)
        if lease is not None:
            self._all[lease.job_id].is_leased = True
        return lease

    def end(self, lease: Lease) -> Holding | None:
        """Forget a leased job and return what was held of it; None when the lease is void."""
        return self._all.pop(lease.job_id) if self._lanes.end(lease) else None

    def give_back(self, lease: Lease) -> Holding | None:
        """Let a leased job wait again; None when the lease is void.

        One whose message is lost is not held any more.
        """
        if not self._lanes.give_back(lease):
            return None
        one = self._all[lease.job_id]
        one.is_leased = False
        if one.message is None:
            self.take_out(lease.job_id)
        return one

    def put_aside(self, lease: Lease, *, for_s: float) -> None:
        """Let a leased job wait where nobody takes it, for so long."""
        if not self._lanes.end(lease):
            return
        one = self._all[lease.job_id]
        one.is_leased = False
        one.aside_until = self._clock() + for_s
        if one.message is None:
            del self._all[lease.job_id]

    def look_aside(self) -> list[Job]:
        """Let those wait again that were put aside for long enough, and return them."""
        now, back = self._clock(), []
        for one in self._all.values():
            if one.aside_until is not None and one.aside_until <= now:
                one.aside_until = None
                self._wait(one.job)
                back.append(one.job)
        return back

    def take_out(self, job_id: str) -> Holding | None:
        """Forget a job that waits here; None when it does not."""
        one = self._all.get(job_id)
        if one is None or one.is_leased:
            return None
        self._lanes.withdraw(job_id)
        return self._all.pop(job_id)

    def of(self, source: object) -> list[Holding]:
        """Return what came from a subscription."""
        return [one for one in self._all.values() if one.source is source]

    def lose(self, source: object) -> list[Job]:
        """Take note that a channel is lost; return the jobs that are held no more."""
        dropped = []
        for one in self.of(source):
            one.message = None
            if self.take_out(one.job.id) is not None:
                dropped.append(one.job)
        return dropped

    def _wait(self, job: Job) -> None:
        self._lanes.restore(
            Waiting(
                job.id,
                job.pipeline_id,
                job.priority,
                job.size_bytes,
                job.tenant,
                waited_s=-job.queued_at,
            )
        )
