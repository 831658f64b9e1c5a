"""Whether this dispatcher can do jobs: who cannot have their images leaves them to the others.

A job that it holds waits for its images here, and nowhere else, as long as it is held. So it is
given back to the broker, and another dispatcher, whose way to the object store is open, has it.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

from dispatcher.servers.base import Ready

PATIENCE_S: Final = 5.0
"""So long jobs are kept while the store is away: to give them back and take them again costs more
than a short outage, in which nobody else could do them either."""


class Allowed(Protocol):
    """Knows whether jobs may be taken."""

    def may_work(self) -> bool:
        """Say so."""
        ...


class Fitness:
    """Looks, whenever it is asked, whether jobs may be taken."""

    def __init__(
        self, objects: Ready, same_store: Allowed, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at the object store that the jobs' images are in.

        Args:
            objects: the store.
            same_store: whether it is the one that the others use.
            clock: monotonic seconds.
        """
        self._objects = objects
        self._same_store = same_store
        self._clock = clock
        self._away_since: float | None = None

    def may_work(self) -> bool:
        """Say whether jobs may be taken."""
        if self._objects.unready() is None:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = self._clock()
        is_away = self._away_since is not None and self._clock() - self._away_since > PATIENCE_S
        return self._same_store.may_work() and not is_away
