"""Bounds the pictures that are in memory at once, so that large ones do not add up."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MAX_BYTES_IN_WORK: Final = 256 * 1024 * 1024
BYTES_PER_PIXEL: Final = 4
"""A picture as it was sent, and its pixels between two stages."""


class ByteBudget:
    """Lets jobs in, first come first served, while the bytes that they need fit.

    One that needs more than all there is gets in when it is alone.
    """

    def __init__(self, max_bytes: int = MAX_BYTES_IN_WORK) -> None:
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def spend(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold so many bytes for the length of the block."""
        await self._enter(size_bytes)
        try:
            yield
        finally:
            self._used_bytes -= size_bytes
            self._let_in()

    async def _enter(self, size_bytes: int) -> None:
        if not self._waiting and self._fits(size_bytes):
            self._used_bytes += size_bytes
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._used_bytes -= size_bytes
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting:
            size_bytes, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            if not self._fits(size_bytes):
                return
            self._waiting.popleft()
            self._used_bytes += size_bytes
            turn.set_result(None)

    def _fits(self, size_bytes: int) -> bool:
        return self._used_bytes == 0 or self._used_bytes + size_bytes <= self._max_bytes
