"""A request that is repeated with its ``Idempotency-Key`` gets the job that it got at first.

Source: the IETF draft "The Idempotency-Key HTTP Header Field". A key belongs to a tenant; it is
kept together with the job, so that a refused request leaves none behind. Requests that come to one
dispatcher wait for each other here; of those that come to several at the same time the store lets
one have the key.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import (
    DuplicateFieldError,
    GoneError,
    IdempotencyKeyReusedError,
    InvalidValueError,
    NotFoundError,
    ResultsUnavailableError,
)
from dispatcher.jobs import Idempotency, Job
from dispatcher.results.base import KeyTakenError, ResultStore

HEADER: Final = b"idempotency-key"
MAX_KEY_LENGTH: Final = 255
_MAX_TRIES: Final = 3
_RETRY_AFTER_S: Final = 1
_VISIBLE: Final = range(0x21, 0x7F)

Accept = Callable[[], Awaitable[Job]]
"""Accepts the request, once; raises when it is refused."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One that is being accepted at this moment."""

    fingerprint: str
    outcome: asyncio.Future[Job]


class Repeats:
    """Has equal requests of one key accepted once, also when they come at the same time."""

    def __init__(self, results: ResultStore) -> None:
        self._results = results
        self._arriving: dict[tuple[str, str], _Request] = {}

    async def accept_once(self, tenant: str, wanted: Idempotency, accept: Accept) -> Job:
        """Return the job of a request: of an earlier one of this key, else of this one.

        Of an earlier job that is no longer kept only the id is true.

        Raises:
            IdempotencyKeyReusedError: the key came with another request.
            ResultsUnavailableError: another dispatcher takes long to accept or refuse such a one.
            RequestError: the request was refused; the key may be used again.
        """
        owner = (tenant, wanted.key)
        while (earlier := self._arriving.get(owner)) is not None:
            _check_same(wanted, earlier.fingerprint)
            await asyncio.wait([earlier.outcome])
            if not earlier.outcome.cancelled():
                return earlier.outcome.result()
        # No await in between: of all that come now exactly one gets here.
        request = _Request(wanted.fingerprint, asyncio.get_running_loop().create_future())
        self._arriving[owner] = request
        try:
            job = await self._find_or_accept(tenant, wanted, accept)
        except Exception as exc:
            request.outcome.set_exception(exc)
            request.outcome.exception()  # nobody else may be there to look at it
            raise
        else:
            request.outcome.set_result(job)
            return job
        finally:
            del self._arriving[owner]
            request.outcome.cancel()  # does nothing unless this request was itself broken off

    async def _find_or_accept(self, tenant: str, wanted: Idempotency, accept: Accept) -> Job:
        """Return the job of an earlier request of this key, at whichever dispatcher, or a new one.

        The one that has the key may be refused after all, and then another gets it; a client that
        meets this again and again comes back later.
        """
        for _ in range(_MAX_TRIES):
            job = await self._find(tenant, wanted)
            if job is not None:
                return job
            try:
                job = await accept()
            except KeyTakenError as exc:
                _check_same(wanted, exc.fingerprint)
                continue
            await self._results.note_accepted(job)
            return job
        raise ResultsUnavailableError(
            "Another request with this Idempotency-Key is being accepted.",
            retry_after_s=_RETRY_AFTER_S,
        )

    async def _find(self, tenant: str, wanted: Idempotency) -> Job | None:
        """Return the job of an earlier request of this key; None when there was none."""
        found = await self._results.find_by_key(tenant, wanted.key)
        if found is None:
            return None
        fingerprint, job_id = found
        _check_same(wanted, fingerprint)
        try:
            return await self._results.get(job_id)
        except (GoneError, NotFoundError):
            return _no_longer_kept(job_id, tenant=tenant)


def read_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the ``Idempotency-Key`` of a request; None when it has none.

    Raises:
        DuplicateFieldError: there are two.
        InvalidValueError: it is empty, too long, or has other characters than visible ASCII.
    """
    keys = [value for name, value in headers if name == HEADER]
    if not keys:
        return None
    if len(keys) > 1:
        raise DuplicateFieldError("The Idempotency-Key is there twice.")
    if not 1 <= len(keys[0]) <= MAX_KEY_LENGTH or not all(byte in _VISIBLE for byte in keys[0]):
        raise InvalidValueError("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return keys[0].decode("ascii")


def fingerprint(digest: str, options: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256, hexadecimal, of everything that a request asks for.

    Args:
        digest: SHA-256 of the image.
        options: by name, as they were sent; in which order does not matter.
    """
    asked = json.dumps([digest, sorted(options)])
    return hashlib.sha256(asked.encode()).hexdigest()


def _check_same(wanted: Idempotency, earlier: str) -> None:
    if wanted.fingerprint != earlier:
        raise IdempotencyKeyReusedError("It came with another image or other options.")


def _no_longer_kept(job_id: str, *, tenant: str) -> Job:
    """Return what is needed to name a job whose record is gone."""
    return Job(
        id=job_id,
        filename="",
        digest="",
        pipeline_id="",
        queued_at=0.0,
        overrides={},
        tenant=tenant,
    )
