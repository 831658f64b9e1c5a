"""Idempotency-Keys of several dispatchers: whoever writes a claim first has the key.

A claim lies at a path that no other request of this key can have: the digest of tenant and key,
and the number of the *period* in which the request came. A period is as long as keys are kept, so
an old claim need never be replaced, which no object store can do safely by itself; a key is taken
when it was claimed in this period, or in the last one and not too long ago.

A job is recorded as open before its key is claimed. So behind each claim there is a job, unless
it was refused, and then its dispatcher takes the claim away. Until it is known which, somebody
who repeats the request at another dispatcher waits. One who sees that the job goes on may promise
it before its own dispatcher has answered: an object says, once, whether it was promised so or
refused.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from dispatcher.errors import ResultsUnavailableError
from dispatcher.jobs import Job, JobState
from dispatcher.results.base import KeyTakenError
from dispatcher.results.shared_values import SharedValues
from dispatcher.servers.objects import ObjectMissingError, ObjectStore

KEYS: Final = "keys"
REFUSED_WITHIN_S: Final = 30.0
"""A job is refused within so long or not at all."""
_SETTLED_AFTER_S: Final = 2 * REFUSED_WITHIN_S
"""A claim that is older stands; the clocks of two dispatchers may differ by the difference."""
_WAIT_S: Final = 3.0
_POLL_S: Final = 0.05
_LONGEST_POLL_S: Final = 0.8
"""Each look may cost two questions to the object store, and clients repeat what was refused."""
_MAX_TRIES: Final = 3
_PROMISED: Final = b"promised"
_REFUSED: Final = b"refused"
_RETRY_AFTER_S: Final = 1
_BOUNDARY_S: Final = 60.0
"""So close to the end of a period two dispatchers may not agree on which it is."""


class Claim(msgspec.Struct, frozen=True):
    """Which job a key belongs to."""

    fingerprint: str
    job_id: str
    since: float
    """When the request came, Unix seconds."""
    is_settled: bool = False
    """Whether the job is known to have been accepted."""


_encode: Final = msgspec.json.encode
_claim: Final = msgspec.json.Decoder(Claim)


class Claims:
    """Who has which Idempotency-Key."""

    def __init__(
        self,
        objects: ObjectStore,
        values: SharedValues,
        *,
        retention_s: float,
        find_job: Callable[[str], Awaitable[Job | None]],
    ) -> None:
        """Keep claims.

        Args:
            objects: where they count.
            values: where they are read faster.
            retention_s: how long a key is taken, in seconds.
            find_job: returns a job; None when there is none.
        """
        self._objects = objects
        self._values = values
        self._retention_s = retention_s
        self._find_job = find_job

    async def claim(self, job: Job) -> None:
        """Claim the key of a job that came with one and is recorded already.

        Raises:
            KeyTakenError: it belongs to another job.
            ResultsUnavailableError: others have it and give it back, again and again.
            StorageUnavailableError: it cannot be told.
        """
        if job.idempotency is None:
            return
        claim = Claim(job.idempotency.fingerprint, job.id, job.queued_at)
        path, document = self._path(job), _encode(claim)
        await self._put(path, document, job.id)
        neighbour = self._neighbour(job)
        earlier = None if neighbour is None else await self._read(neighbour)
        if earlier is not None and self._is_kept(earlier):
            await self._objects.remove(path)
            raise KeyTakenError(fingerprint=earlier.fingerprint, job_id=earlier.job_id)

    async def _put(self, path: str, document: bytes, job_id: str) -> None:
        """Put a claim where none is.

        One that was there and is gone a moment later was that of a job that was refused.
        """
        for _ in range(_MAX_TRIES):
            if await self._objects.put(path, document, only_if_absent=True):
                return
            earlier = await self._read(path)
            if earlier is not None and earlier.job_id == job_id:
                return
            if earlier is not None:
                raise KeyTakenError(fingerprint=earlier.fingerprint, job_id=earlier.job_id)
        raise ResultsUnavailableError(
            "Other requests with this Idempotency-Key are being refused.",
            retry_after_s=_RETRY_AFTER_S,
        )

    async def settle(self, job: Job) -> None:
        """Take note that a job which came with a key was accepted."""
        if job.idempotency is None:
            return
        claim = Claim(job.idempotency.fingerprint, job.id, job.queued_at, is_settled=True)
        name = _name(job.tenant, job.idempotency.key)
        try:
            await self._values.put(name, _encode(claim), for_s=self._retention_s)
        except ResultsUnavailableError:
            await self._objects.put(self._path(job), _encode(claim))

    async def release(self, job: Job) -> bool:
        """Give back the key of a job that was not accepted, if it has it.

        Returns:
            False when another dispatcher has promised the job meanwhile: then it has to be done.
        """
        if job.idempotency is None:
            return True
        if await self._decide(job.id, _REFUSED) != _REFUSED:
            return False
        path = self._path(job)
        claim = await self._read(path)
        if claim is not None and claim.job_id == job.id:
            with contextlib.suppress(ResultsUnavailableError):
                await self._values.drop(_name(job.tenant, job.idempotency.key))
            await self._objects.remove(path)
        return True

    async def _decide(self, job_id: str, word: bytes) -> bytes:
        """Say whether a job was promised or refused; return what was said first."""
        path = f"{KEYS}/{job_id}"
        if await self._objects.put(path, word, only_if_absent=True):
            return word
        return await self._objects.get(path)

    async def give_up(self, tenant: str, key: str, claim: Claim) -> None:
        """Give back a key whose job is none; called by one dispatcher at a time.

        Raises:
            StorageUnavailableError: it may still be taken.
        """
        path = f"{KEYS}/{_name(tenant, key)}.{self._period(claim.since)}"
        if await self._read(path) == claim:
            await self._objects.remove(path)

    async def holds(self, job: Job) -> bool:
        """Say whether the key of a job is its own; a job without a key needs none."""
        if job.idempotency is None:
            return True
        claim = await self._read(self._path(job))
        return claim is None or claim.job_id == job.id

    async def find(self, tenant: str, key: str) -> Claim | None:
        """Return who has a key, once it is known whether its job was accepted.

        Raises:
            ResultsUnavailableError: that takes too long, or cannot be told.
            StorageUnavailableError: likewise.
        """
        ends_at, pause_s = time.monotonic() + _WAIT_S, _POLL_S
        while True:
            claim = await self._look(tenant, key)
            if claim is None or await self._is_settled(claim):
                return claim
            if time.monotonic() > ends_at:
                raise ResultsUnavailableError(
                    "The first request with this Idempotency-Key is still being accepted.",
                    retry_after_s=_RETRY_AFTER_S,
                )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_POLL_S)

    async def _look(self, tenant: str, key: str) -> Claim | None:
        name = _name(tenant, key)
        with contextlib.suppress(ResultsUnavailableError):
            document = await self._values.find(name)
            if document is not None and self._is_kept(claim := _claim.decode(document)):
                return claim
        period = self._period(time.time())
        claims = await asyncio.gather(
            *(self._read(f"{KEYS}/{name}.{number}") for number in (period, period - 1))
        )
        return next((claim for claim in claims if claim and self._is_kept(claim)), None)

    async def _is_settled(self, claim: Claim) -> bool:
        if claim.is_settled or time.time() - claim.since > _SETTLED_AFTER_S:
            return True
        job = await self._find_job(claim.job_id)
        # One that waits for another, or was answered at once, is accepted when it is recorded.
        if job is None or (job.state is JobState.QUEUED and not job.coalesced):
            return False
        return await self._decide(claim.job_id, _PROMISED) == _PROMISED

    async def _read(self, path: str) -> Claim | None:
        try:
            return _claim.decode(await self._objects.get(path))
        except ObjectMissingError:
            return None

    def _path(self, job: Job) -> str:
        assert job.idempotency is not None, "checked by whoever calls"
        name = _name(job.tenant, job.idempotency.key)
        return f"{KEYS}/{name}.{self._period(job.queued_at)}"

    def _neighbour(self, job: Job) -> str | None:
        """Return where another dispatcher may have put the claim on this key just now."""
        assert job.idempotency is not None, "checked by whoever calls"
        name, period = _name(job.tenant, job.idempotency.key), self._period(job.queued_at)
        for seconds in (-_BOUNDARY_S, _BOUNDARY_S):
            if (other := self._period(job.queued_at + seconds)) != period:
                return f"{KEYS}/{name}.{other}"
        return None

    def _period(self, moment: float) -> int:
        return int(moment // self._retention_s)

    def _is_kept(self, claim: Claim) -> bool:
        return time.time() - claim.since <= self._retention_s


def _name(tenant: str, key: str) -> str:
    """Return the digest of a key; the length keeps two pairs from being joined to the same text."""
    return hashlib.sha256(f"{len(tenant)}:{tenant}{key}".encode()).hexdigest()
