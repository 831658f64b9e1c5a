"""What goes on beside the chunks themselves: thin loops.

One says what this dispatcher has ready and works on, one fetches what others have kept for it, one
removes what is joined by now, and, rarely, what was forgotten.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from dispatcher.chunks.base import ChunkBoard, Hearing
from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.execution.sharing.awaited import AwaitedChunks
from dispatcher.execution.sharing.policy import SharingPolicy
from dispatcher.pools.directory import PoolDirectory

_log = logging.getLogger(__name__)


class ChunkUpkeep:
    """Keeps a board of chunks as it should be."""

    def __init__(
        self,
        board: ChunkBoard,
        *,
        awaited: AwaitedChunks,
        pools: PoolDirectory,
        in_work: Callable[[], Collection[str]],
        policy: SharingPolicy,
    ) -> None:
        """Look after a board.

        Args:
            board: where chunks are kept and told of.
            awaited: those that this dispatcher waits for.
            pools: tell which replicas are ready.
            in_work: return the paths of the chunks that this dispatcher computes.
            policy: how often.
        """
        self._board = board
        self._awaited = awaited
        self._pools = pools
        self._in_work = in_work
        self._policy = policy
        self._kept: asyncio.Queue[str] = asyncio.Queue()
        self._joined: deque[tuple[float, Collection[str]]] = deque()
        """What is to be removed, and when by the monotonic clock."""
        board.news.listen(Hearing(lambda _: None, self._note_kept, lambda _: None))

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as loops:
            for loop in (self._beat(), self._fetch(), self._remove(), self._tidy()):
                loops.create_task(loop)

    def remove_later(self, paths: Collection[str]) -> None:
        """Have what was joined removed once the end of its job is kept."""
        self._joined.append((time.monotonic() + self._policy.removed_after_s, paths))

    async def fetch(self, path: str) -> None:
        """Hand over an outcome that is on the shelf, if somebody here waits for it.

        Raises:
            StorageUnavailableError: it cannot be read now.
        """
        outcome = await self._board.shelf.find(path) if path in self._awaited else None
        if outcome is not None:
            self._awaited.deliver(path, outcome)

    def _note_kept(self, path: str) -> None:
        if path in self._awaited:
            self._kept.put_nowait(path)

    async def _beat(self) -> None:
        while True:
            ready = {
                pool.step: [name_of(replica.url) for replica in pool.replicas if replica.is_ready]
                for pool in self._pools.pools()
                if pool.ready
            }
            with contextlib.suppress(ResultsUnavailableError):
                await self._board.news.beat(
                    ready, self._in_work(), for_s=self._policy.believed_for_s
                )
            await asyncio.sleep(self._policy.beat_every_s)

    async def _fetch(self) -> None:
        """Fetch several outcomes at a time: each may take long, and a job waits for all."""
        async with asyncio.TaskGroup() as fetching:
            while True:
                fetching.create_task(self._fetch_told(await self._kept.get()))

    async def _fetch_told(self, path: str) -> None:
        with contextlib.suppress(StorageUnavailableError):  # whoever waits looks by itself
            await self.fetch(path)

    async def _remove(self) -> None:
        while True:
            await asyncio.sleep(self._policy.look_every_s)
            while self._joined and self._joined[0][0] <= time.monotonic():
                _, paths = self._joined.popleft()
                with contextlib.suppress(StorageUnavailableError):  # the rest goes some time later
                    await self._board.shelf.remove(paths)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(self._policy.tidied_every_s)
            with contextlib.suppress(StorageUnavailableError):
                await self._board.shelf.tidy()


def name_of(url: str) -> str:
    """Return what tells a replica from all others: a loopback address is another on each host."""
    host = urlsplit(url).hostname or ""
    is_loopback = host == "localhost" or host.startswith("127.") or host == "::1"
    return f"{socket.gethostname()} {url}" if is_loopback else url
