"""What other dispatchers have ended, for those who wait here: the thin loop.

An image that is sent to several dispatchers leads a flight at each of them; at most one of the
leaders is worked on, wherever, and the others are linked to it in the queue. Each dispatcher ends
its own followers, once it has seen how its leader ended. A leader that was cancelled, or whose
deadline has passed, leaves its place to the first of its followers.

Of an end is told once, and whoever is cut off then does not hear of it. So flights are also looked
at now and then: all of those that somebody follows, and some of the others, whose leaders would be
followed by whoever comes next.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import GoneError, NotFoundError, RequestError
from dispatcher.intake.coalescing import Coalescing, Flight
from dispatcher.intake.endings import Endings
from dispatcher.jobs import Job, JobState
from dispatcher.queues.base import JobQueue, QueueFullError
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.logs import about

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
"""How often flights are looked at of which nothing was heard."""
_AT_ONCE: Final = 50
"""Flights that are settled together."""
_A_LOOK: Final = 500
_LOOKS: Final = 6
"""Of the flights that nobody follows at least so many are looked at, or in so many looks all: when
nothing is heard for long they become no more than are accepted in that time."""
_LEAVE_WITHIN_S: Final = 5.0
_ANSWERS: Final = (JobState.COMPLETED, JobState.FAILED)


class EndedElsewhere:
    """Settles the flights whose leaders were ended by another dispatcher."""

    def __init__(self, coalescing: Coalescing) -> None:
        self._coalescing = coalescing
        self._ended: dict[str, None] = {}
        """Ids of leaders that have ended, in the order in which that was heard."""
        self._heard = asyncio.Event()
        self._is_cut_off = False
        """Whether ends may have been missed since the last look."""
        self._round: Iterator[str] = iter(())
        """Leaders that have not been looked at since this round began."""

    def note(self, job_id: str) -> None:
        """Take note of a job that has ended, wherever; called on the event loop."""
        if self._coalescing.led_by(job_id) is not None:
            self._ended[job_id] = None
            self._heard.set()

    def look_now(self) -> None:
        """Look at once: ends may have been missed; called on the event loop."""
        self._is_cut_off = True
        self._heard.set()

    async def leave(self, queue: JobQueue) -> None:
        """Give a place to all who follow here: this process is about to end.

        Whoever cannot be given one now is found later, by those who look for jobs without a place.
        """
        followers = self._coalescing.followers()
        left = 0
        try:
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                for first in range(0, len(followers), _AT_ONCE):
                    some = followers[first : first + _AT_ONCE]
                    await queue.put(some, is_admitted=True)
                    left += len(some)
        except (RequestError, QueueFullError, TimeoutError) as exc:
            lost = len(followers) - left
            _log.warning("%d jobs that followed others have to be looked for: %r", lost, exc)

    async def run(
        self,
        *,
        queue: JobQueue,
        results: ResultStore,
        endings: Endings,
        blobs: BlobStore,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Settle until cancelled.

        Args:
            queue: where those find a place whose leader has left.
            results: tell how a leader has ended.
            endings: end those that followed it.
            blobs: have the images.
            look_every_s: how often flights are looked at of which nothing was heard.
        """
        settling = _Settling(
            self._coalescing, queue=queue, results=results, endings=endings, blobs=blobs
        )
        loop = asyncio.get_running_loop()
        look_at = loop.time() + look_every_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._heard.wait()
            self._heard.clear()
            if self._is_cut_off or loop.time() >= look_at:
                self._is_cut_off = False
                self._ended |= dict.fromkeys(self._next_leaders())
            ended, self._ended = list(self._ended), {}
            for first in range(0, len(ended), _AT_ONCE):
                await settling.settle(ended[first : first + _AT_ONCE])
            if loop.time() >= look_at:
                look_at = loop.time() + look_every_s

    def _next_leaders(self) -> list[str]:
        """Return the leaders to look at next: those with followers, then others in turn."""
        leaders = self._coalescing.leaders()
        count = max(_A_LOOK, -(-len(leaders) // _LOOKS))
        others = list(islice(self._round, count))
        if len(others) < count:
            self._round = iter(leaders)
            others += islice(self._round, count - len(others))
        return self._coalescing.followed() + others


class _Settling:
    """What is done about leaders that may have ended."""

    def __init__(
        self,
        coalescing: Coalescing,
        *,
        queue: JobQueue,
        results: ResultStore,
        endings: Endings,
        blobs: BlobStore,
    ) -> None:
        self._coalescing = coalescing
        self._queue = queue
        self._results = results
        self._endings = endings
        self._blobs = blobs

    async def settle(self, leader_ids: Sequence[str]) -> None:
        """Settle flights; one that cannot be settled now is looked at again."""
        done = await asyncio.gather(*map(self._settle, leader_ids), return_exceptions=True)
        for leader_id, error in zip(leader_ids, done, strict=True):
            # While a server is away everything fails; that is said where its connection is kept.
            if error is not None and not isinstance(error, RequestError):
                _log.error(
                    "a flight cannot be settled", exc_info=error, extra={"job_id": leader_id}
                )

    async def _settle(self, leader_id: str) -> None:
        flight = self._coalescing.led_by(leader_id)
        # One that is just being accepted has no record yet, and is not gone for that.
        if flight is None or not flight.accepted.done():
            return
        leader = await self._find(leader_id)
        if leader is not None and not leader.state.is_terminal:
            return
        if leader is not None and leader.state in _ANSWERS:
            await self._endings.settle_elsewhere(leader)
            return
        flight = self._coalescing.led_by(leader_id)
        if flight is None:
            return
        await self._replace_leader(flight)
        if leader is None or leader.started_at is None:
            # It waits for nobody. Were it in work, that might still answer those linked to it.
            await self._queue.withdraw(leader_id)

    async def _find(self, job_id: str) -> Job | None:
        """Return a job; None when it is not kept, so that nobody will know how it ended."""
        try:
            return await self._results.get(job_id)
        except (NotFoundError, GoneError):
            return None

    async def _replace_leader(self, flight: Flight) -> None:
        """Have the first follower of a flight lead it; those that follow wait for that one."""
        leader = flight.leader
        while flight.followers and flight.leader is leader:
            follower = flight.followers[0]
            found = await self._find(follower.id)
            if found is None or found.state.is_terminal:
                self._coalescing.leave(follower)
                continue
            # It stays a follower until it has a place: should that fail, it is tried again.
            await self._queue.put([follower], is_admitted=True)
            if flight.leader is leader and self._coalescing.hand_over(flight, follower):
                _log.info("a follower leads", extra=about(follower))
        flight.has_leader = flight.leader is not leader
        if flight.owes_hold and flight.has_leader:
            flight.owes_hold = False
            await self._blobs.release(leader.digest)
        await self._endings.close(flight)
