"""Records in the object store: the truth about jobs that several dispatchers share.

::

    open/<id>        a job that was accepted and has not ended
    ended/<id>       its one terminal state, written once and never replaced
    batches/<id>     a batch
    deliveries/<id>  a webhook that is still to be delivered
    keys/…           an Idempotency-Key, see ``claims``
    hits/…           jobs that the cache answered, see ``hit_packs``

``ended`` is written before ``open`` is removed, so whoever looks at ``open`` first and at
``ended`` then never misses a job.

A record that cannot be read, because something else was written there or a dispatcher of another
version wrote it, is as if it were not there, for every other job goes on.
"""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from dispatcher.jobs import Batch, Delivery, Job
from dispatcher.servers.objects import ObjectInfo, ObjectMissingError, ObjectStore

OPEN: Final = "open"
ENDED: Final = "ended"
BATCHES: Final = "batches"
DELIVERIES: Final = "deliveries"

_log = logging.getLogger(__name__)

T = TypeVar("T")

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_encode: Final = msgspec.json.encode
_job: Final = msgspec.json.Decoder(Job)
_batch: Final = msgspec.json.Decoder(Batch)


@dataclass(frozen=True, slots=True)
class OwnedDelivery:
    """A webhook and which dispatcher sees to it."""

    delivery: Delivery
    owner: str


_delivery: Final = msgspec.json.Decoder(OwnedDelivery)


def is_id(text: str) -> bool:
    """Say whether a text can be the id of a record; clients may ask for anything."""
    return _ID.fullmatch(text) is not None


class Archive:
    """Reads and writes records; every method raises ``StorageUnavailableError`` within seconds."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def open(self, job: Job) -> None:
        """Record a job as accepted."""
        await self._objects.put(f"{OPEN}/{job.id}", _encode(job))

    async def end(self, job: Job) -> Job:
        """Record the end of a job, if it is the first; return the one that counts."""
        path, document = f"{ENDED}/{job.id}", _encode(job)
        if await self._objects.put(path, document, only_if_absent=True):
            return job
        first = await self._read(path)
        # Of an earlier call whose answer was lost, or dropped just now, long after its end.
        if first is None or first == document:
            return job
        return _decode(_job, path, first) or job

    async def close(self, job_id: str) -> None:
        """Remove the record of a job as open."""
        await self._objects.remove(f"{OPEN}/{job_id}")

    async def find(self, job_id: str) -> Job | None:
        """Return a job, ended or open; None when it is neither."""
        # In this order, or a job that ends in between would seem to be neither.
        open_path, ended_path = f"{OPEN}/{job_id}", f"{ENDED}/{job_id}"
        still_open = await self._read(open_path)
        ended = await self._read(ended_path)
        if ended is not None:  # also when it cannot be read: nobody is to do it again
            return _decode(_job, ended_path, ended)
        return None if still_open is None else _decode(_job, open_path, still_open)

    async def find_open(self, job_id: str) -> Job | None:
        """Return a job as it was accepted, which may have ended; None when there is no record."""
        return await self._find(_job, f"{OPEN}/{job_id}")

    async def find_ended(self, job_id: str) -> Job | None:
        """Return a job that has ended; None when it has not."""
        return await self._find(_job, f"{ENDED}/{job_id}")

    async def drop(self, job_id: str) -> None:
        """Remove the end of a job."""
        await self._objects.remove(f"{ENDED}/{job_id}")

    async def put_batch(self, batch: Batch) -> None:
        """Record a batch."""
        await self._objects.put(f"{BATCHES}/{batch.id}", _encode(batch))

    async def find_batch(self, batch_id: str) -> Batch | None:
        """Return a batch; None when there is none."""
        return await self._find(_batch, f"{BATCHES}/{batch_id}")

    async def drop_batch(self, batch_id: str) -> None:
        """Remove a batch."""
        await self._objects.remove(f"{BATCHES}/{batch_id}")

    async def put_delivery(self, owned: OwnedDelivery) -> None:
        """Record when a webhook is due and who sees to it."""
        await self._objects.put(f"{DELIVERIES}/{owned.delivery.job_id}", _encode(owned))

    async def find_delivery(self, job_id: str) -> OwnedDelivery | None:
        """Return a webhook that is still to be delivered; None when it is not."""
        return await self._find(_delivery, f"{DELIVERIES}/{job_id}")

    async def is_undelivered(self, job_id: str) -> bool:
        """Say whether a webhook is still to be delivered."""
        return await self._objects.find(f"{DELIVERIES}/{job_id}") is not None

    async def drop_delivery(self, job_id: str) -> None:
        """Forget a webhook."""
        await self._objects.remove(f"{DELIVERIES}/{job_id}")

    async def list(self, folder: str) -> AsyncIterator[tuple[str, float]]:
        """Yield id and time of writing, Unix seconds, of all records of a kind, in no order."""
        async for info in self._objects.list(folder):
            yield _id_of(info), info.modified_at.timestamp()

    async def list_by_age(self, folder: str) -> Iterator[str]:
        """Return the ids of all records of a kind, the one that was written first coming first."""
        found = [(written_at, record_id) async for record_id, written_at in self.list(folder)]
        return (record_id for _, record_id in sorted(found))

    async def _find(self, decoder: msgspec.json.Decoder[T], path: str) -> T | None:
        document = await self._read(path)
        return None if document is None else _decode(decoder, path, document)

    async def _read(self, path: str) -> bytes | None:
        try:
            return await self._objects.get(path)
        except ObjectMissingError:
            return None


def _decode(decoder: msgspec.json.Decoder[T], path: str, document: bytes) -> T | None:
    """Return what a record says; None when it cannot be read."""
    try:
        return decoder.decode(document)
    except msgspec.DecodeError as exc:
        _log.error("a record cannot be read: %s", exc, extra={"path": path})
        return None


def _id_of(info: ObjectInfo) -> str:
    return info.path.rsplit("/", 1)[-1]
