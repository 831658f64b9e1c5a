"""Webhooks of several dispatchers: each is seen to by the one that ended the job, while it lives.

A delivery is recorded with its owner before the job's end is, so that it is never forgotten. Every
owner says every few seconds that it lives; what one leaves behind that has not for a while is
taken over. So a webhook is sent although its dispatcher died, and normally once.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from dispatcher.jobs import Delivery, Job
from dispatcher.results.archive import DELIVERIES, Archive, OwnedDelivery
from dispatcher.results.base import OnDue
from dispatcher.results.shared_values import PREFIX
from dispatcher.servers.redis_connection import RedisConnection

_log = logging.getLogger(__name__)

ALIVE_EVERY_S: Final = 5.0
LOOK_EVERY_S: Final = 10.0
_ALIVE_FOR_S: Final = 20
_SUSPECT_FOR_S: Final = 15.0
"""How long an owner has to be silent although Redis answers: a FLUSHALL alone kills nobody."""
_CLAIM_FOR_S: Final = 60
_CLAIM: Final = f"{PREFIX}delivery:"
_LOST_AFTER_S: Final = 24 * 3600.0
"""A delivery of no job that is known goes after so long."""


class SharedDeliveries:
    """The webhooks that are still to be delivered."""

    def __init__(
        self,
        archive: Archive,
        redis: RedisConnection,
        *,
        owner: str,
        on_due: OnDue,
        is_rightful: Callable[[Job], Awaitable[bool]],
        suspect_for_s: float = _SUSPECT_FOR_S,
    ) -> None:
        """See to webhooks.

        Args:
            archive: where they are recorded.
            redis: where owners say that they live.
            owner: the name of this dispatcher, of this process alone.
            on_due: takes what this dispatcher has to deliver.
            is_rightful: says whether a job was accepted, and not only recorded.
            suspect_for_s: how long an owner has to be silent until its webhooks are taken over.
        """
        self._archive = archive
        self._redis = redis
        self._owner = owner
        self._on_due = on_due
        self._is_rightful = is_rightful
        self._suspect_for_s = suspect_for_s
        self._owners: dict[str, tuple[float, str]] = {}
        """Of each delivery, when it was written and who its owner was then."""
        self._silent_since: dict[str, float] = {}

    async def leave(self, job: Job) -> None:
        """Record the webhook of a job that is about to end.

        Raises:
            StorageUnavailableError: it cannot be told whether it is recorded.
        """
        await self._archive.put_delivery(OwnedDelivery(_first(job), self._owner))

    def hand_over(self, job: Job) -> None:
        """Have the webhook of a job that has ended delivered."""
        self._on_due(_first(job))

    async def put(self, delivery: Delivery) -> None:
        """Record when to try next."""
        await self._archive.put_delivery(OwnedDelivery(delivery, self._owner))

    async def end(self, job_id: str) -> None:
        """Forget a webhook that was delivered, or given up."""
        await self._archive.drop_delivery(job_id)

    async def own(self) -> list[Delivery]:
        """Return those that this dispatcher has to deliver."""
        found = [
            await self._archive.find_delivery(i) async for i, _ in self._archive.list(DELIVERIES)
        ]
        mine = [each.delivery for each in found if each is not None and each.owner == self._owner]
        return sorted(mine, key=lambda delivery: delivery.due_at)

    async def stay_alive(self) -> None:
        """Say that this dispatcher lives."""
        await self._redis.run(lambda client: client.set(_alive(self._owner), b"1", ex=_ALIVE_FOR_S))

    async def take_over(self) -> None:
        """Take over what dispatchers that are gone have left behind.

        Raises:
            RequestError: a server is away; the rest is taken over the next time.
        """
        await self._learn_owners()
        silent = await self._silent({owner for _, owner in self._owners.values()} - {self._owner})
        for job_id, (_, owner) in list(self._owners.items()):
            if owner in silent:
                await self._take(job_id, owner)

    async def _learn_owners(self) -> None:
        """Know who sees to what; only what was written since the last time is read."""
        written = {job_id: at async for job_id, at in self._archive.list(DELIVERIES)}
        for job_id in self._owners.keys() - written.keys():
            del self._owners[job_id]
        for job_id, written_at in written.items():
            if self._owners.get(job_id, (None,))[0] != written_at:
                owned = await self._archive.find_delivery(job_id)
                if owned is not None:
                    self._owners[job_id] = (written_at, owned.owner)

    async def _silent(self, owners: set[str]) -> set[str]:
        """Return those of which nothing has been heard for long."""
        names = sorted(owners)
        if not names:
            return set()
        answers = await self._redis.run(lambda client: client.mget([_alive(n) for n in names]))
        now = time.monotonic()
        alive = {name for name, answer in zip(names, answers, strict=True) if answer is not None}
        self._silent_since = {name: self._silent_since.get(name, now) for name in owners - alive}
        return {n for n, since in self._silent_since.items() if now - since >= self._suspect_for_s}

    async def _take(self, job_id: str, owner: str) -> None:
        claim = f"{_CLAIM}{job_id}"
        if not await self._redis.run(
            lambda client: client.set(claim, self._owner, nx=True, ex=_CLAIM_FOR_S)
        ):
            return
        owned = await self._archive.find_delivery(job_id)
        if owned is None or owned.owner != owner:
            return
        job = await self._archive.find(job_id)
        if job is None:
            await self._drop_lost(owned)
        elif not await self._is_rightful(job):
            await self._archive.drop_delivery(job_id)
        elif job.state.is_terminal:
            _log.info("a webhook is taken over", extra={"job_id": job_id})
            await self.put(owned.delivery)
            self._on_due(owned.delivery)

    async def _drop_lost(self, owned: OwnedDelivery) -> None:
        if time.time() - owned.delivery.due_at > _LOST_AFTER_S:
            await self._archive.drop_delivery(owned.delivery.job_id)


def _first(job: Job) -> Delivery:
    return Delivery(job.id, due_at=job.completed_at or job.queued_at)


def _alive(owner: str) -> str:
    return f"{PREFIX}alive:{owner}"
