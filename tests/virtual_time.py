"""An event loop whose clock does not wait: what takes a minute takes as long as it computes."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Clock(selectors.DefaultSelector):
    """Goes to the next timer at once instead of waiting for it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready."""
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.now += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that has no other clock than its timers."""

    def __init__(self) -> None:
        self._virtual = _Clock()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the seconds since it was made."""
        return self._virtual.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
