"""Objects by path in an S3-compatible store, or in a directory that dispatchers share."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from dispatcher.errors import StorageUnavailableError
from dispatcher.servers.breaker import BreakerPolicy
from dispatcher.servers.folder_objects import make_folder_objects
from dispatcher.servers.object_backend import CALLS, ObjectBackend, ObjectInfo, ObjectMissingError
from dispatcher.servers.room import Room
from dispatcher.servers.s3_objects import make_s3_objects
from dispatcher.servers.watch import AwayError, Watch

__all__ = ["ObjectInfo", "ObjectMissingError", "ObjectStore"]

T = TypeVar("T")
_WAIT_S: Final = 2.0
_DEADLINE_S: Final = 2.0
"""All tries of a call together, after it has waited for its turn: an upload has to be answered
within 5 seconds."""
_TRIES: Final = 3
_PAUSE_S: Final = 0.2
_RETRY_AFTER_S: Final = 2
_MARKER: Final = "store"
_POLICY: Final = BreakerPolicy(slow_s=60.0)
"""A slow store is waited for: what is in it is nowhere else."""


class ObjectStore:
    """Puts, gets, lists and removes objects; every call ends within its deadline.

    A path has segments parted by slashes, of which none is empty or begins with a dot.
    """

    def __init__(self, url: str) -> None:
        """Prepare a store; nothing is asked.

        Args:
            url: ``s3://bucket/folder?endpoint=…&region=…``, or a directory. The credentials of S3
                are those of the environment (``AWS_*``), a web identity or an instance.

        Raises:
            StartupError: it is no such URL.
        """
        self._backend: ObjectBackend = (
            make_s3_objects(url) if url.startswith("s3:") else make_folder_objects(url)
        )
        self._room = Room(self._backend.name, calls=CALLS, wait_s=_WAIT_S)
        self._watch = Watch(self._backend.name, look=self._look, policy=_POLICY)
        self._loop: asyncio.Task[None] | None = None
        self._refusal: str | None = None

    def unready(self) -> str | None:
        """Say, for people, why the store cannot be used now; None when it can."""
        refusal = self._refusal and f"{self._backend.name} is not used: {self._refusal}"
        return self._watch.unready() or refusal

    def refuses(self) -> bool:
        """Say whether it is another dispatcher's, or does not take the credentials."""
        return self._refusal is not None or self._watch.refuses()

    def refuse(self, reason: str | None) -> None:
        """Answer no call any more, for this reason; None has them answered again."""
        self._refusal = reason

    async def start(self) -> None:
        """Begin to look in the background whether the store answers."""
        self._loop = asyncio.create_task(self._watch.run())

    async def close(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self._backend.close()

    async def put(self, path: str, data: bytes, *, only_if_absent: bool = False) -> bool:
        """Keep an object; False when there is one and none was to be replaced.

        Raises:
            StorageUnavailableError: after at most 3 tries, within 4 seconds; it may be kept.
        """
        tries = 0

        async def put() -> bool:
            nonlocal tries
            tries += 1
            return await self._backend.put(at, data, only_if_absent=only_if_absent)

        at = _checked(path)
        is_kept = await self._call(put)
        if not is_kept and tries > 1:
            # The one that is there may be that of a try which was not answered.
            is_kept = await self.get(path) == data
        return is_kept

    async def get(self, path: str) -> bytes:
        """Return an object.

        Raises:
            ObjectMissingError: there is none.
            StorageUnavailableError: likewise.
        """
        return await self._call(lambda: self._backend.get(_checked(path)))

    async def find(self, path: str) -> ObjectInfo | None:
        """Return what is known of an object; None when there is none.

        Raises:
            StorageUnavailableError: likewise.
        """
        return await self._call(lambda: self._backend.find(_checked(path)))

    async def remove(self, path: str) -> None:
        """Remove an object, if there is one.

        Raises:
            StorageUnavailableError: likewise.
        """
        await self._call(lambda: self._backend.remove(_checked(path)))

    async def list(self, folder: str) -> AsyncIterator[ObjectInfo]:
        """Yield all objects below a folder, in no particular order.

        Raises:
            StorageUnavailableError: likewise.
        """
        pages = self._backend.pages(_checked(folder))
        while page := await self._call(pages.next):
            for info in page:
                yield info

    async def marker(self, new: bytes | None) -> bytes | None:
        """Return what tells this store from all others, also while it is refused.

        Args:
            new: put there when there is none; None when nothing shall be.

        Returns:
            What is there; None when nothing is.

        Raises:
            StorageUnavailableError: likewise.
        """
        try:
            return await self._ask(lambda: self._backend.get(_MARKER))
        except ObjectMissingError:
            if new is None:
                return None
        await self._ask(lambda: self._backend.put(_MARKER, new, only_if_absent=True))
        return await self._ask(lambda: self._backend.get(_MARKER))

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Ask the store within the deadline, unless it must not be used.

        Raises:
            StorageUnavailableError: it is away.
        """
        if self._refusal is not None:
            raise StorageUnavailableError(
                f"The storage cannot be used: {self._refusal}.", retry_after_s=_RETRY_AFTER_S
            )
        return await self._ask(work)

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            self._watch.require()
            async with self._room:
                return await self._watch.call(lambda: self._in_time(work))
        except AwayError as exc:
            raise StorageUnavailableError(
                f"The storage cannot be used: {exc}.", retry_after_s=_RETRY_AFTER_S
            ) from exc

    async def _in_time(self, work: Callable[[], Awaitable[T]], *, tries: int = _TRIES) -> T:
        """Try within the deadline.

        Raises:
            AwayError: no try succeeded.
        """
        try:
            async with asyncio.timeout(_DEADLINE_S):
                for _ in range(tries - 1):
                    try:
                        return await work()
                    except AwayError:
                        await asyncio.sleep(_PAUSE_S * random.uniform(0.5, 1.0))
                return await work()
        except TimeoutError as exc:
            raise AwayError(f"{self._backend.name} does not answer in time") from exc

    async def _look(self) -> None:
        await self._in_time(self._backend.look, tries=1)


def _checked(path: str) -> str:
    """Return a path that means the same in every store.

    Raises:
        ValueError: it does not; those that call have made a mistake.
    """
    if any(not segment or segment.startswith(".") for segment in path.split("/")):
        raise ValueError(f"no path of an object: {path!r}")
    return path
