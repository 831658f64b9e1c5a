"""Chunks for which this dispatcher waits, whoever computes them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping

from dispatcher.chunks.base import ChunkOutcome

Outcomes = Mapping[str, "asyncio.Future[ChunkOutcome]"]
"""What is waited for, by path."""


class AwaitedChunks:
    """Hands outcomes to those who wait for them; the first one of a chunk counts."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[asyncio.Future[ChunkOutcome]]] = defaultdict(list)

    def __contains__(self, path: str) -> bool:
        return path in self._waiting

    def expect(self, paths: Iterable[str]) -> Outcomes:
        """Begin to wait; whoever does must ``forget`` in the end."""
        loop = asyncio.get_running_loop()
        outcomes = {path: loop.create_future() for path in paths}
        for path, outcome in outcomes.items():
            self._waiting[path].append(outcome)
        return outcomes

    def forget(self, outcomes: Outcomes) -> None:
        """Wait no longer."""
        for path, outcome in outcomes.items():
            self._waiting[path].remove(outcome)
            if not self._waiting[path]:
                del self._waiting[path]

    def deliver(self, path: str, outcome: ChunkOutcome) -> None:
        """Hand over an outcome, if somebody waits for it."""
        for waiting in self._waiting.get(path, ()):
            if not waiting.done():
                waiting.set_result(outcome)
