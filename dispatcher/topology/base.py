"""What discovery and a launcher promise."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from dispatcher.topology.configmap import StepRecord


class Discovery(Protocol):
    """Finds the steps that exist, by their ConfigMap records and by nothing else.

    Promises of every backend: the first snapshot comes at once, another follows each change
    within five seconds; each is complete; a record that does not parse keeps its last good
    version, and never empties the set.
    """

    def snapshots(self) -> AsyncIterator[Sequence[StepRecord]]:
        """Yield all records, now and after every change."""
        ...


class Launcher(Protocol):
    """Makes replicas run and keeps their records true."""

    async def start(self) -> None:
        """Start what was declared."""
        ...

    async def wait_ready(self) -> str:
        """Wait until all of it is ready; return what was loaded, for people.

        Raises:
            StartupError: a replica says that it can never start.
        """
        ...

    async def supervise(self) -> None:
        """Wait for as long as every replica is looked after.

        Raises:
            StartupError: a replica says that it can never start.
        """
        ...

    async def close(self) -> None:
        """End every replica and remove its records."""
        ...
