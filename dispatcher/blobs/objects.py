"""Image bytes of several dispatchers, in an object store.

Nobody counts there who needs what: dispatchers come and go, and one that died would hold its
images for ever. So bytes are kept for some time after they were last put or held, and that time
is longer than any job may take.
"""

import asyncio
import contextlib
import hashlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from dispatcher.blobs.base import BlobCorruptError, BlobMissingError
from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.servers.objects import ObjectInfo, ObjectMissingError, ObjectStore

_log = logging.getLogger(__name__)

_FOLDER: Final = "blobs"
_TIDY_EVERY_S: Final = 600.0
_RENEW_AFTER: Final = 0.5
"""Part of the retention after which bytes are put again when somebody needs them for longer."""
_REMEMBERED: Final = 10_000
_TRUSTED_S: Final = 20.0
"""So long after they were put or held, bytes are held again without a look: who sends the same
picture a thousand times does not ask a thousand times."""
_AGAIN_AFTER_S: Final = 0.2
_LONG_BYTES: Final = 1_000_000
"""More than these are hashed in another thread: a millisecond and more."""
_ADOPTED_AT_A_TIME: Final = 16


class ObjectBlobStore:
    """A ``BlobStore`` for any number of dispatchers."""

    def __init__(
        self,
        objects: ObjectStore,
        *,
        retention_s: float,
        may_tidy: Callable[[], Awaitable[bool]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use an object store.

        Args:
            objects: started before and closed after.
            retention_s: bytes go when nobody has put or held them for so long.
            may_tidy: says whether this dispatcher is the one that removes them now.
            clock: seconds since 1970, as the object store counts them.
        """
        self._objects = objects
        self._retention = timedelta(seconds=retention_s)
        self._may_tidy = may_tidy
        self._clock = clock
        self._total_bytes = 0
        self._tidy_at_s = clock()
        self._seen_at_s: OrderedDict[str, float] = OrderedDict()
        """When bytes were last known to be there for long; the latest at the end."""

    def unready(self) -> str | None:
        """Say, for people, what of the backend cannot be reached; None when all of it can."""
        return self._objects.unready()

    async def start(self) -> None:
        """Nothing to open: the object store is started before."""

    async def close(self) -> None:
        """Nothing to close: the object store is closed after."""

    async def put(self, digest: str, data: bytes, *, is_new_work: bool = True) -> None:
        """Keep bytes under their digest; those that are there already are not sent again."""
        path = _path_of(digest)
        is_new = digest not in self._seen_at_s
        if not is_new or not await self._objects.put(path, data, only_if_absent=True):
            info = await self._objects.find(path)
            if info is None or info.size_bytes != len(data) or self._is_aging(info):
                await self._objects.put(path, data)
                # Another dispatcher may just have seen how old they were, and remove them.
                if await self._objects.find(path) is None:
                    await self._objects.put(path, data)
        self._note_seen(digest)

    async def get(self, digest: str) -> bytes:
        """Return the bytes, once they are seen to be those that were put."""
        data = await self._read(digest)
        if await _is_of(digest, data):
            return data
        again = await self._read(digest)  # damage on the way is another one each time
        if await _is_of(digest, again):
            return again
        _log.error("bytes were damaged", extra={"digest": digest})
        if again == data:
            # So they are what is kept; without them the right ones can be put again.
            self._seen_at_s.pop(digest, None)
            await self._objects.remove(_path_of(digest))
        raise BlobCorruptError(digest)

    async def hold(self, digest: str) -> bool:
        """Have bytes kept for longer; False when they are not there."""
        if self._clock() < self._seen_at_s.get(digest, -math.inf) + _TRUSTED_S:
            return True
        info = await self._objects.find(_path_of(digest))
        if info is None:
            self._seen_at_s.pop(digest, None)
            return False
        if self._is_aging(info):
            try:
                await self.put(digest, await self.get(digest))
            except (BlobMissingError, BlobCorruptError):
                return False
        self._note_seen(digest)
        return True

    async def release(self, digest: str) -> None:
        """Nothing ends: bytes go by their age."""

    async def adopt(self, holds: Mapping[str, int]) -> list[str]:
        """Hold what is needed; what an earlier process left goes by its age."""
        room = asyncio.Semaphore(_ADOPTED_AT_A_TIME)

        async def is_there(digest: str) -> bool:
            async with room:
                return await self.hold(digest)

        there = await asyncio.gather(*(is_there(digest) for digest in holds))
        return [digest for digest, found in zip(holds, there, strict=True) if not found]

    async def tidy(self) -> None:
        """Remove what nobody has needed for longer than the retention, now and then."""
        if self._clock() < self._tidy_at_s:
            return
        self._tidy_at_s = self._clock() + _TIDY_EVERY_S
        try:
            if await self._may_tidy():
                await self._remove_old()
        except (ResultsUnavailableError, StorageUnavailableError) as exc:
            _log.info("old images stay for now: %s", exc)

    def total_bytes(self) -> int:
        """Return how many bytes were kept when this dispatcher last counted, as one of all."""
        return self._total_bytes

    async def _read(self, digest: str) -> bytes:
        """Return what is kept; a second look is for stores that see late what others have put.

        Raises:
            BlobMissingError: there is nothing.
        """
        path = _path_of(digest)
        with contextlib.suppress(ObjectMissingError):
            return await self._objects.get(path)
        await asyncio.sleep(_AGAIN_AFTER_S)
        try:
            return await self._objects.get(path)
        except ObjectMissingError as exc:
            self._seen_at_s.pop(digest, None)
            _log.warning("bytes are missing", extra={"digest": digest})
            raise BlobMissingError(digest) from exc

    async def _remove_old(self) -> None:
        total_bytes = 0
        async for info in self._objects.list(_FOLDER):
            # A listing takes its time, and they may have been needed since.
            if self._age(info) > self._retention and await self._is_still_old(info.path):
                await self._objects.remove(info.path)
            else:
                total_bytes += info.size_bytes
        self._total_bytes = total_bytes

    async def _is_still_old(self, path: str) -> bool:
        info = await self._objects.find(path)
        return info is not None and self._age(info) > self._retention

    def _is_aging(self, info: ObjectInfo) -> bool:
        """Say whether bytes would go too soon for somebody who needs them from now on."""
        return self._age(info) > _RENEW_AFTER * self._retention

    def _age(self, info: ObjectInfo) -> timedelta:
        return datetime.fromtimestamp(self._clock(), UTC) - info.modified_at

    def _note_seen(self, digest: str) -> None:
        self._seen_at_s[digest] = self._clock()
        self._seen_at_s.move_to_end(digest)
        if len(self._seen_at_s) > _REMEMBERED:
            self._seen_at_s.popitem(last=False)


def _path_of(digest: str) -> str:
    """Return where bytes are: no folder of a directory gets all of them."""
    return f"{_FOLDER}/{digest[:2]}/{digest}"


async def _is_of(digest: str, data: bytes) -> bool:
    """Say whether bytes have a digest."""
    if len(data) > _LONG_BYTES:
        return await asyncio.to_thread(_is_of_now, digest, data)
    return _is_of_now(digest, data)


def _is_of_now(digest: str, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == digest
