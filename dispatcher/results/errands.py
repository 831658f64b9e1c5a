"""What a store does beside answering: some of it again and again, some once and soon."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from dispatcher.errors import RequestError

_log = logging.getLogger(__name__)

T = TypeVar("T")
_LAST_S: Final = 5.0
"""How long what was begun may take when the store is closed."""


class Errands:
    """Runs them until it is closed; none of them ends the service when it fails."""

    def __init__(self) -> None:
        self._loops: set[asyncio.Task[None]] = set()
        self._single: set[asyncio.Task[Any]] = set()

    def every(self, pause_s: float, errand: Callable[[], Awaitable[None]]) -> None:
        """Run an errand at once and then with so many seconds in between."""
        self._loops.add(asyncio.create_task(_again_and_again(pause_s, errand)))

    def loop(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run something that never ends by itself."""
        self._loops.add(asyncio.create_task(loop))

    def aside(self, errand: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Run something once, for which nobody has to wait."""
        return self._begin(_once(errand))

    async def see_through(self, errand: Coroutine[Any, Any, T]) -> T:
        """Run something to its end also when the caller is stopped; its failure is the caller's."""
        task = self._begin(errand)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End the loops; what was to be done once is done, if that takes no longer than seconds."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        try:
            async with asyncio.timeout(_LAST_S):
                while self._single:  # one may begin another
                    await asyncio.wait(self._single)
        except TimeoutError:
            for task in self._single:
                task.cancel()
            await asyncio.gather(*self._single, return_exceptions=True)

    def _begin(self, errand: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(errand)
        self._single.add(task)
        task.add_done_callback(self._single.discard)
        return task


async def _again_and_again(pause_s: float, errand: Callable[[], Awaitable[None]]) -> None:
    while True:
        await _once(errand())
        await asyncio.sleep(pause_s)


async def _once(errand: Awaitable[object]) -> None:
    try:
        await errand
    except RequestError as exc:
        _log.debug("left for later: %s", exc)
    except Exception:
        _log.exception("what a store does by the way failed")
