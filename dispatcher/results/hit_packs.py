"""Hits in the object store: those of a moment are one object, so that each costs next to nothing.

::

    hits/<how many>-<random>    jobs that were answered at once from the cache, as a JSON list

They come by the thousand a second, and an object for each would cost more than the cache saves.
Redis knows each hit; only when Redis has lost one is it looked for here. This process reads the
packs in the background and remembers which jobs are in which. Where hits come one by one there is
a pack for each, and to read all of them takes longer than anybody waits: who asks for a job that
is in none of those that were read is then told to come again.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from dispatcher.errors import StorageUnavailableError
from dispatcher.jobs import Job
from dispatcher.results.shared_batches import due
from dispatcher.servers.objects import ObjectMissingError, ObjectStore

_log = logging.getLogger(__name__)

HITS: Final = "hits"
_MOST: Final = 2000
"""Hits in one pack."""
_AT_A_TIME: Final = 8
"""What is read in the background leaves room for those who are waited for."""
_LOOK_EVERY_S: Final = 0.25
"""Anybody may ask for an id that is none; that must not be a listing for each. They wait."""
_PATIENCE_S: Final = 2.0
"""How long anybody waits until the packs that are not known yet have been read."""
_READ_AHEAD_S: Final = 60.0
_RETRY_AFTER_S: Final = 2
_encode: Final = msgspec.json.encode
_jobs: Final = msgspec.json.Decoder(list[Job])


def belongs_in_pack(job: Job) -> bool:
    """Say whether a job is a hit with nothing else to it."""
    return job.from_cache and job.webhook_url is None and job.idempotency is None


class HitPacks:
    """Keeps hits; every method raises ``StorageUnavailableError`` within seconds."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._coming: list[tuple[Job, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._packs: dict[str, set[str]] = {}
        """Ids of the jobs in each pack that was read."""
        self._looked_at = -math.inf
        """When the last look began that was carried to its end."""
        self._looking: asyncio.Task[None] | None = None

    async def add(self, job: Job) -> None:
        """Keep a hit; it is safe when this returns."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._coming.append((job, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await kept

    async def find(self, job_id: str) -> Job | None:
        """Return a hit; None when there is none.

        Raises:
            StorageUnavailableError: it cannot be told; within seconds, for packs that were not
                read before are not waited for.
        """
        path = self._pack_of(job_id)
        if path is None:
            await self._look()
            path = self._pack_of(job_id)
        if path is None:
            return None
        return next((job for job in await self._read(path) if job.id == job_id), None)

    async def read_ahead(self) -> None:
        """Read what was not read for long, so that nobody has to wait for it."""
        if time.monotonic() - self._looked_at > _READ_AHEAD_S:
            await asyncio.shield(self._begin_to_look())

    async def all(self) -> AsyncIterator[list[Job]]:
        """Yield all hits, some at a time, in no order."""
        async for path, _ in self._listed():
            yield await self._read(path)

    async def drop_old(self, *, retention_s: float, count: int) -> None:
        """Drop packs that are too old, and the oldest beyond so many hits."""
        listed = sorted([entry async for entry in self._listed()], key=lambda entry: entry[1])
        # The count comes first in the name, as it does in that of a batch.
        entries = [
            (f"{path.removeprefix(f'{HITS}/').partition('-')[0]}:{path}", written_at)
            for path, written_at in listed
        ]
        for name in due(entries, oldest=time.time() - retention_s, most_files=count):
            path = name.partition(":")[2]
            self._packs.pop(path, None)
            await self._objects.remove(path)

    async def close(self) -> None:
        """Finish what is being written, and read no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        """Write what has come, and then what came meanwhile."""
        while self._coming:
            some, self._coming = self._coming[:_MOST], self._coming[_MOST:]
            try:
                await self._write([job for job, _ in some])
            except Exception as exc:
                for _, kept in some:
                    if not kept.done():
                        kept.set_exception(exc)
            else:
                for _, kept in some:
                    if not kept.done():
                        kept.set_result(None)

    async def _write(self, jobs: list[Job]) -> None:
        path = f"{HITS}/{len(jobs)}-{secrets.token_hex(16)}"
        await self._objects.put(path, _encode(jobs))

    async def _look(self) -> None:
        """Know all packs that there were when this was called.

        Raises:
            StorageUnavailableError: that takes too long; it goes on in the background.
        """
        called_at = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while self._looked_at < called_at:
                    await asyncio.shield(self._begin_to_look())
        except TimeoutError as exc:
            raise StorageUnavailableError(
                "The records of earlier answers are still being read.",
                retry_after_s=_RETRY_AFTER_S,
            ) from exc

    def _begin_to_look(self) -> "asyncio.Task[None]":
        """Return the look that goes on, for whoever waits, or begin one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_at_all())
            # Those who waited for it may all have gone when it fails.
            self._looking.add_done_callback(lambda look: look.cancelled() or look.exception())
        return self._looking

    async def _look_at_all(self) -> None:
        await asyncio.sleep(self._looked_at + _LOOK_EVERY_S - time.monotonic())
        begun_at = time.monotonic()
        listed = {path async for path, _ in self._listed()}
        for path in self._packs.keys() - listed:
            del self._packs[path]
        new = sorted(listed - self._packs.keys())
        for start in range(0, len(new), _AT_A_TIME):
            some = new[start : start + _AT_A_TIME]
            packs = await asyncio.gather(*map(self._read, some))
            for path, jobs in zip(some, packs, strict=True):
                self._packs[path] = {job.id for job in jobs}
        self._looked_at = begun_at

    def _pack_of(self, job_id: str) -> str | None:
        return next((path for path, ids in self._packs.items() if job_id in ids), None)

    async def _read(self, path: str) -> list[Job]:
        try:
            return _jobs.decode(await self._objects.get(path))
        except ObjectMissingError:  # dropped just now
            return []
        except msgspec.DecodeError as exc:  # the others can be read
            _log.error("records of earlier answers cannot be read: %s: %s", path, exc)
            return []

    async def _listed(self) -> AsyncIterator[tuple[str, float]]:
        async for info in self._objects.list(HITS):
            yield info.path, info.modified_at.timestamp()
