"""What waits and what is in work, as far as all dispatchers know together: it is kept in Redis.

None of it decides whether a job is lost: the messages are in the broker, the records in the object
store. It may be gone at any time, and comes back by itself: whatever a dispatcher says of a job
that is not known here is simply noted.

Each method is one script, so that counts cannot drift and of any number of jobs for the same work
at most one *leads*, at all dispatchers together; the others are *linked* to it.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

import msgspec
from redis.asyncio import Redis

from dispatcher.errors import ResultsUnavailableError
from dispatcher.jobs import Job, Priority
from dispatcher.queues.backlog_answers import as_int, as_list, as_text, read_snapshot
from dispatcher.queues.lanes import PENALTY_S
from dispatcher.queues.places import (
    Added,
    Held,
    Place,
    Snapshot,
    Standing,
    Taken,
    Taking,
    Withdrawn,
)
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.servers.redis_script import RedisScript

T = TypeVar("T")
Argument = str | int | float
PREFIX: Final = "{conveyor}:"
"""Before all keys; what is in braces decides the slot of a cluster, and a script has one slot."""
_SCRIPTS: Final = (
    *("add", "confirm", "ground", "reserve", "renew", "give_back", "end", "unlink", "withdraw"),
    *("lose", "known", "snapshot", "try_lead"),
)
WITHDRAWN_FOR_S: Final = 3600
"""How long it is remembered that nobody is to take a job, whose message may still be somewhere."""
_AT_ONCE: Final = 500
"""Jobs of one call: a script holds up everybody else's."""
_FIRST_IDS: Final = 2000
_STOPS: Final = "conveyor.stop"
"""The channel on which the ids of unwanted jobs in work are told."""


class Backlog:
    """The waiting, linked and working jobs of all dispatchers.

    Every method but ``try_lead`` raises ``ResultsUnavailableError`` within a second when Redis is
    away.
    """

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._myself = secrets.token_hex(8)
        self._scripts = {
            name: RedisScript("dispatcher.queues", "places", name) for name in _SCRIPTS
        }

    async def add(self, jobs: Sequence[Job]) -> Added:
        """Give each job a place, or link it to the one that does the same work.

        Called before anything is published. What is then published is confirmed or grounded; one
        that is unsettled is added again, until it is known, or leads because the other failed.
        """
        standings: list[Standing] = []
        depth = 0
        for some in _portions(jobs):
            arguments = [argument for job in some for argument in _described(job)]
            answer = as_list(await self._run("add", *arguments))
            depth = int(as_text(answer[0]))
            standings += [Standing(as_text(standing)) for standing in as_list(answer[1])]
        return Added(tuple(standings), depth)

    async def confirm(self, job_ids: Collection[str]) -> None:
        """Take note that the messages of jobs are safe."""
        for some in _portions(list(job_ids)):
            await self._run("confirm", *some)

    async def ground(self, job_ids: Collection[str]) -> None:
        """Forget jobs that were refused, or could not be published."""
        for some in _portions(list(job_ids)):
            await self._run("ground", *some)

    async def reserve(self, job: Job, *, owner: str, lease_s: float) -> Taken:
        """Take a job that was delivered into work; one that is not known is added.

        Args:
            job: what the message says.
            owner: who takes it; taking it again is no further beginning.
            lease_s: for how many seconds it is the owner's, unless renewed.
        """
        answer = as_list(await self._run("reserve", *_described(job), owner, lease_s))
        outcome, number = Taking(as_text(answer[0])), as_int(answer[1])
        if outcome is Taking.BEGUN:
            return Taken(outcome, beginnings=number)
        return Taken(outcome, busy_s=number / 1000)

    async def renew(self, held: Sequence[Held], *, owner: str, lease_s: float) -> set[str]:
        """Keep the jobs that an owner has at hand; return those that somebody else has in work."""
        lost: set[str] = set()
        for some in _portions(held):
            arguments: list[Argument] = []
            for one in some:
                arguments += _described(one.job)
                arguments.append("working" if one.is_in_work else "")
            answer = await self._run("renew", owner, lease_s, *arguments)
            lost |= {as_text(job_id) for job_id in as_list(answer)}
        return lost

    async def give_back(self, job_id: str, *, owner: str) -> bool:
        """Let a job wait where it stood; that it was begun does not count. False when void."""
        return as_int(await self._run("give_back", job_id, owner)) == 1

    async def end(self, job_id: str, *, owner: str) -> Job | None:
        """Forget a job that an owner is done with.

        Returns:
            The same work for somebody else, when it led others that were not unlinked: it was
            cancelled. It is to be published in its place.
        """
        return _successor(await self._run("end", job_id, owner))

    async def unlink(self, job_id: str) -> list[str]:
        """Return the ids of the jobs that are linked to one; from now on none is."""
        return [as_text(linked) for linked in as_list(await self._run("unlink", job_id))]

    async def withdraw(self, job_id: str) -> Withdrawn:
        """Take away a job that nobody wants any more; one that is in work is stopped, soon."""
        answer = as_list(await self._run("withdraw", job_id, WITHDRAWN_FOR_S))
        place = Place(as_text(answer[0]))
        if place is Place.WORKING:
            await self._redis.publish(_STOPS, job_id.encode())
        return Withdrawn(place, _successor(answer[1]))

    def on_stop(self, stop: Callable[[str], None]) -> None:
        """Have something called with each unwanted job that may be in work here."""
        self._redis.subscribe(_STOPS, lambda message: stop(message.decode()))

    async def lose(self, lane: str, priority: Priority, *, unseen_for_s: float = 0.0) -> int:
        """Forget the waiting jobs of a queue whose messages are gone; return how many.

        Those that a dispatcher has renewed, or added, in the last seconds stay. What is forgotten
        is found by ``Restocking``.
        """
        lost = first = 0
        while True:
            queue = f"{priority.value}:{lane}"
            answer = await self._run("lose", queue, unseen_for_s, first, _AT_ONCE)
            looked_at, gone = (as_int(number) for number in as_list(answer))
            lost += gone
            first += looked_at - gone
            if looked_at < _AT_ONCE:
                return lost

    async def known(self, job_ids: Collection[str]) -> set[str]:
        """Return those that wait, are linked, or are in work."""
        known: set[str] = set()
        for some in _portions(list(job_ids)):
            answer = as_list(await self._run("known", *some))
            known |= {as_text(job_id) for job_id in answer}
        return known

    async def snapshot(self) -> Snapshot:
        """Return what waits and is in work at the moment."""
        return read_snapshot(await self._run("snapshot", _FIRST_IDS))

    async def try_lead(self, duty: str, *, for_s: float) -> bool:
        """Return whether this dispatcher is the one that does a duty for the next seconds.

        While Redis is away nobody does: that is for duties that can wait.
        """
        milliseconds = max(1, round(for_s * 1000))
        try:
            answer = await self._run("try_lead", duty, self._myself, milliseconds)
        except ResultsUnavailableError:
            return False
        return as_int(answer) == 1

    async def _run(self, name: str, *arguments: Argument) -> object:
        script = self._scripts[name]

        async def ask(client: Redis) -> object:
            return await script.run(client, keys=[PREFIX], args=arguments)

        return await self._redis.run(ask)


def _described(job: Job) -> list[Argument]:
    """Return what the scripts are told of a job; the body only when others may take its place."""
    return [
        job.id,
        job.pipeline_id,
        job.priority.value,
        job.tenant,
        job.size_bytes,
        repr(job.queued_at + PENALTY_S[job.priority]),
        job.work_key,
        msgspec.json.encode(job).decode() if job.work_key else "",
    ]


def _successor(body: object) -> Job | None:
    return msgspec.json.decode(body, type=Job) if isinstance(body, bytes) else None


def _portions(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE)]
