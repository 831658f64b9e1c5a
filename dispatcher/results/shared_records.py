"""Jobs in Redis: as they are now, in the order of their acceptance, and those that ended by when.

A job is on one of three *shelves*: held (it has not ended, or its webhook is still to be
delivered), ended, or hits (ended at once from the cache). Everything here may be gone at any time
and is then put together again from the archive.
"""

import hashlib
import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final, cast

import msgspec

from dispatcher.jobs import Job, JobState
from dispatcher.results.sealing import ENDED, PROCESSING, QUEUED, seal
from dispatcher.results.shared_values import PREFIX, opened
from dispatcher.servers.redis_connection import RedisConnection
from dispatcher.servers.redis_script import RedisScript

CHANNEL: Final = f"{PREFIX}changes"
GONE_REMEMBERED: Final = 100_000
"""How many ids of dropped jobs are remembered to answer 410 instead of 404."""

_JOB: Final = f"{PREFIX}job:"
_INDEX: Final = f"{PREFIX}of:"
_ALL: Final = f"{PREFIX}all"
_GONE: Final = f"{PREFIX}gone"
_COMPLETE: Final = f"{PREFIX}complete"
_FILLING: Final = f"{PREFIX}filling"
_OPEN_FOR_S: Final = 10 * 24 * 3600
"""Longer than a deadline may be."""
_SLACK_S: Final = 3600
_PACKAGE: Final = "dispatcher.results"
_keep: Final = RedisScript(_PACKAGE, "keep_job")
_drop: Final = RedisScript(_PACKAGE, "drop_job")
_page: Final = RedisScript(_PACKAGE, "list_page")
_complete: Final = RedisScript(_PACKAGE, "note_complete")
_encode: Final = msgspec.json.encode
_job: Final = msgspec.json.Decoder(Job)
_RANKS: Final = {JobState.QUEUED: QUEUED, JobState.PROCESSING: PROCESSING}


class Shelf(IntEnum):
    """Where a job stands; the number is its place among the keys of a script."""

    HELD = 4
    ENDED = 5
    HITS = 6

    @property
    def key(self) -> str:
        """Name of its key in Redis."""
        return f"{PREFIX}{self.name.lower()}"


class Kept(IntEnum):
    """What became of a state that was to be kept; the numbers are the script's."""

    UNKNOWN = -1
    TOO_LATE = 0
    YES = 1


class SharedRecords:
    """Jobs in Redis; every method raises ``ResultsUnavailableError`` within a second."""

    def __init__(self, redis: RedisConnection, *, retention_s: float) -> None:
        self._redis = redis
        self._retention_s = retention_s

    async def keep(
        self,
        job: Job,
        *,
        must_be_known: bool = False,
        is_undelivered: bool | None = None,
        message: bytes = b"",
    ) -> Kept:
        """Keep a state of a job, unless a later one is there.

        Args:
            job: in that state.
            must_be_known: whether to keep it only where an earlier state is.
            is_undelivered: whether its webhook is still to be delivered; taken from the job, as
                one that has just ended, unless told.
            message: told to all who listen, if the state is kept.
        """
        rank = _RANKS.get(job.state, ENDED)
        shelf = _shelf_of(job, is_undelivered=is_undelivered)
        keep_for_s = _OPEN_FOR_S + self._retention_s
        if shelf is not Shelf.HELD:
            keep_for_s = self._retention_s + _SLACK_S
        value = seal(_JOB + job.id, _encode(job), rank=rank, looked_at=time.time())
        args = (
            value,
            job.id,
            repr(job.queued_at),
            int(keep_for_s),
            shelf.value,
            repr(job.completed_at or job.queued_at),
            int(must_be_known),
            CHANNEL,
            message,
        )
        keys = _keys_of(job.id, job.tenant)
        return Kept(await self._redis.run(lambda client: _keep.run(client, keys=keys, args=args)))

    async def find(self, job_id: str) -> tuple[Job, float] | None:
        """Return a job, and how many seconds ago it was last known to be right."""
        key = _JOB + job_id
        value = await self._redis.run(lambda client: client.get(key))
        return await self._read(key, cast(bytes | None, value))

    async def find_all(self, job_ids: Sequence[str]) -> list[tuple[Job, float] | None]:
        """Return the same for several, in this order; None for one that is not here."""
        if not job_ids:
            return []
        keys = [_JOB + job_id for job_id in job_ids]
        values = await self._redis.run(lambda client: client.mget(keys))
        pairs = zip(keys, cast(list[bytes | None], values), strict=True)
        return [await self._read(key, value) for key, value in pairs]

    async def is_gone(self, job_id: str) -> bool:
        """Say whether a job was dropped, as far as that is remembered."""
        score = await self._redis.run(lambda client: client.zscore(_GONE, job_id))
        return score is not None

    async def drop(self, job_id: str, tenant: str | None, *, is_remembered: bool) -> None:
        """Forget a job.

        Args:
            job_id: of the job.
            tenant: whose it is; None when that is not known.
            is_remembered: whether to remember that there was such a job.
        """
        keys = _keys_of(job_id, tenant or "")
        args = (job_id, repr(time.time()), GONE_REMEMBERED if is_remembered else 0)
        await self._redis.run(lambda client: _drop.run(client, keys=keys, args=args))

    async def put_down(self, job: Job) -> None:
        """Let a job whose webhook has been delivered be kept like any other."""
        shelf = _shelf_of(job, is_undelivered=False)
        score = {job.id: job.completed_at or job.queued_at}

        async def ask(client: Any) -> None:
            async with client.pipeline(transaction=True) as pipeline:
                pipeline.zrem(Shelf.HELD.key, job.id).zadd(shelf.key, score)
                await pipeline.execute()

        await self._redis.run(ask)

    async def due(self, shelf: Shelf, *, count: int, before: float, limit: int) -> list[str]:
        """Return ids of a shelf that have to go, the oldest first.

        Args:
            shelf: which.
            count: how many may stay.
            before: Unix seconds; what ended earlier goes at any count.
            limit: at most so many.
        """

        async def ask(client: Any) -> list[bytes]:
            surplus = await client.zcard(shelf.key) - count
            by_count: list[bytes] = []
            if surplus > 0:
                by_count = await client.zrange(shelf.key, 0, surplus - 1)
            by_age: list[bytes] = await client.zrangebyscore(
                shelf.key, "-inf", f"({before!r}", start=0, num=limit
            )
            return max(by_count, by_age, key=len)[:limit]

        return [job_id.decode() for job_id in await self._redis.run(ask)]

    async def count(self) -> int:
        """Return how many jobs are kept."""

        async def ask(client: Any) -> int:
            return sum([await client.zcard(shelf.key) for shelf in Shelf])

        return await self._redis.run(ask)

    async def list_ids(
        self, tenant: str | None, *, before: str | None, limit: int
    ) -> list[str] | None:
        """Return ids of jobs, the latest accepted first; None when the lists are not complete.

        Args:
            tenant: whose; None means everybody's.
            before: only what was accepted before this job.
            limit: at most so many.
        """
        keys = [_ALL if tenant is None else _index(tenant), _COMPLETE]
        args = (before or "", limit)
        ids = await self._redis.run(lambda client: _page.run(client, keys=keys, args=args))
        return None if ids is None else [job_id.decode() for job_id in ids]

    async def are_complete(self) -> bool:
        """Say whether the lists have all jobs: Redis has not lost them since they were filled."""
        return bool(await self._redis.run(lambda client: client.exists(_COMPLETE)))

    async def begin_filling(self, token: str) -> None:
        """Take note that somebody fills the lists, under a name of this time alone."""
        await self._redis.run(lambda client: client.set(_FILLING, token))

    async def note_complete(self, token: str) -> bool:
        """Take note that the lists have all jobs; False when Redis has lost some meanwhile."""
        keys, args = [_COMPLETE, _FILLING], (token, repr(time.time()))
        answer = await self._redis.run(lambda client: _complete.run(client, keys=keys, args=args))
        return bool(answer)

    async def _read(self, key: str, value: bytes | None) -> tuple[Job, float] | None:
        sealed = await opened(self._redis, key, value)
        if sealed is None:
            return None
        try:
            job = _job.decode(sealed.document)
        except msgspec.DecodeError:  # of another version of this program
            return None
        # What was written by a clock that is ahead is as uncertain as what is old.
        return job, abs(time.time() - sealed.looked_at)


def _shelf_of(job: Job, *, is_undelivered: bool | None) -> Shelf:
    if is_undelivered is None:
        is_undelivered = job.webhook_url is not None
    if not job.state.is_terminal or is_undelivered:
        return Shelf.HELD
    return Shelf.HITS if job.from_cache else Shelf.ENDED


def _keys_of(job_id: str, tenant: str) -> list[str]:
    """Return the keys that the scripts about one job take."""
    return [_JOB + job_id, _index(tenant), _ALL, *(shelf.key for shelf in Shelf), _GONE]


def _index(tenant: str) -> str:
    return _INDEX + hashlib.sha256(tenant.encode()).hexdigest()[:32]
