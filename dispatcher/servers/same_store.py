"""Whether this dispatcher uses the object store that the others use.

A volume that is not mounted is an empty directory, and a mistyped URL is another bucket: all would
seem well, while jobs fail because their images are elsewhere and end where nobody looks. So each
object store has a marker with a random id, and Redis knows the id of the one that is in use. Who
finds another there neither accepts nor works.

Redis forgets the id soon after the last dispatcher has ended, so that a store may be replaced.
"""

import asyncio
import logging
import secrets
import time
from typing import Any, Final, cast

from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection

_log = logging.getLogger(__name__)

KEY: Final = "{conveyor}:store"
_REMEMBERED_S: Final = 15
_EVERY_S: Final = 3.0
_AT_FIRST_S: Final = 0.1
"""Between two tries until the first one has succeeded."""
_PATIENCE_S: Final = 5.0
"""So long it is waited for that at first; without Redis everything goes on."""
_MOST_ABSENT: Final = 4
"""After so many looks at which Redis knew of no store nobody uses another one any more."""
OTHER: Final = "it is not the one that the other dispatchers use"


class SameStore:
    """Looks again and again, and closes the object store to this dispatcher if it is another."""

    def __init__(self, objects: ObjectStore, redis: RedisConnection) -> None:
        """Compare one with the other, both of which are started before and closed after."""
        self._objects = objects
        self._redis = redis
        self._is_same: bool | None = None
        """None until that could be told."""
        self._known_id: bytes | None = None
        """What the marker says that the others have, too."""
        self._absent = 0
        self._began_s = time.monotonic()
        self._loop: asyncio.Task[None] | None = None

    def unready(self) -> str | None:
        """Say, for people, that it is not known yet; that it is another the store says itself."""
        is_known = self._is_same is not None or self.may_work()
        return None if is_known else "it is not known yet whether the object store is the others'"

    def refuses(self) -> bool:
        """Leave that to the store, which says by itself that it is another."""
        return False

    def may_work(self) -> bool:
        """Say whether jobs may be taken."""
        if self._is_same is None:
            return time.monotonic() - self._began_s > _PATIENCE_S
        return self._is_same

    async def start(self) -> None:
        """Begin to look."""
        self._began_s = time.monotonic()
        self._loop = asyncio.create_task(self._look_always())

    async def close(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def look(self) -> None:
        """Compare once; nothing is changed when a server is away.

        Raises:
            ResultsUnavailableError: Redis is.
            StorageUnavailableError: the object store is.
        """
        # One that was there before is not made anew: its volume may have gone.
        new_id = None if self._known_id else secrets.token_hex(16).encode()
        try:
            own_id = await self._objects.marker(new_id)
        except StorageUnavailableError:
            # Nobody else's gets its place meanwhile.
            if self._is_same:
                await self._find_used(self._known_id)
            raise
        used_id = await self._find_used(own_id)
        if used_id is not None:
            self._note(own_id == used_id, own_id)

    async def _find_used(self, own_id: bytes | None) -> bytes | None:
        """Return the id of the store in use, which is this one's when there is no other.

        One that was another is not proposed before it is sure that nobody uses the first one.
        """
        proposed = own_id if self._is_same is not False or self._absent >= _MOST_ABSENT else None
        used_id = await self._redis.run(lambda client: _used_id(client, proposed))
        self._absent = 0 if used_id is not None else self._absent + 1
        return used_id

    def _note(self, is_same: bool, own_id: bytes | None) -> None:
        if is_same:
            self._known_id = own_id
        if is_same == self._is_same:
            return
        self._is_same = is_same
        self._objects.refuse(None if is_same else OTHER)
        if is_same:
            _log.info("the object store is the one that the other dispatchers use")
        else:
            _log.error("the object store is not used: %s", OTHER)

    async def _look_always(self) -> None:
        while True:
            try:
                await self.look()
            except (ResultsUnavailableError, StorageUnavailableError) as exc:
                _log.debug("object stores cannot be compared: %s", exc)
            except Exception:
                _log.exception("object stores cannot be compared")
            await asyncio.sleep(_AT_FIRST_S if self._is_same is None else _EVERY_S)


async def _used_id(client: Any, own_id: bytes | None) -> bytes | None:
    """Return the id of the store in use, which is this one's when Redis knows of none."""
    if own_id is not None:
        await client.set(KEY, own_id, nx=True, ex=_REMEMBERED_S)
    used_id = cast(bytes | None, await client.get(KEY))
    if used_id is not None and used_id == own_id:
        await client.expire(KEY, _REMEMBERED_S)
    return used_id
