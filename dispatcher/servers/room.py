"""Room for so many calls to a server together; more wait, and not for long."""

import asyncio
from types import TracebackType
from typing import Final

from dispatcher.servers.watch import AwayError


class Room:
    """Has calls wait for each other; the wait says nothing about the server.

    So many connections are there at most, whatever the server does or does not.
    """

    def __init__(self, server: str, *, calls: int, wait_s: float) -> None:
        self._server: Final = server
        self._wait_s: Final = wait_s
        self._free: Final = asyncio.Semaphore(calls)

    async def __aenter__(self) -> None:
        """Wait until there is room.

        Raises:
            AwayError: there is none in time.
        """
        if not self._free.locked():
            await self._free.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError as exc:
            raise AwayError(f"too many calls to {self._server} are under way") from exc

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the room to the next."""
        self._free.release()
