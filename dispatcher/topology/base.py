"""What discovery and a launcher promise."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.pipelines.changes import StepChange
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.status import PipelineStatus, TopologyObject


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
    """Makes replicas run and keeps their records true.

    Some pipelines are built in, the first of them being the default one; clients make others,
    whose records outlive the launcher.
    """

    async def start(self) -> None:
        """Start what was declared, and what clients had made before.

        Raises:
            StartupError: it cannot.
        """
        ...

    async def wait_ready(self) -> str:
        """Wait until the default pipeline is ready; return what was loaded, for people.

        Raises:
            StartupError: a replica says that it can never start.
        """
        ...

    async def supervise(self) -> None:
        """Wait for as long as every replica of what is built in is looked after.

        Raises:
            StartupError: a replica says that it can never start.
        """
        ...

    async def create(self, records: Sequence[StepRecord]) -> Sequence[TopologyObject]:
        """Make a pipeline of these steps: all of it or nothing; return what was made.

        Raises:
            OSError: something could not be made, and nothing is left.
        """
        ...

    async def change(self, pipeline_id: str, step_id: str, change: StepChange) -> None:
        """Change one step: all of it or nothing; one that failed is tried again.

        Raises:
            UnknownPipelineError: there is no such pipeline.
            NotFoundError: it has no such step.
            OSError: it could not be changed.
        """
        ...

    async def remove(self, pipeline_id: str) -> Sequence[TopologyObject]:
        """End a pipeline and leave nothing of it; return what was there.

        Raises:
            UnknownPipelineError: there is none of that id.
            OSError: something is still there; it may be tried again.
        """
        ...

    async def pipelines(self) -> Sequence[PipelineStatus]:
        """Return what is wanted and what runs, of all pipelines."""
        ...

    async def close(self) -> None:
        """End every replica and remove the records of what is built in."""
        ...


class Connection(Protocol):
    """A way to somewhere else, opened before it is used and closed after all else."""

    async def start(self) -> None:
        """Open it.

        Raises:
            StartupError: it cannot be opened.
        """
        ...

    async def close(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True, slots=True)
class Topology:
    """What finds replicas and what makes them run."""

    discovery: Discovery
    launcher: Launcher
    model_files: ModelFiles
    """Which files clients may have replicas read."""
    awaited_replicas: int
    """Replicas of the default pipeline that have to be ready before the service is."""
    cluster: Connection | None = None
    """What both of them speak with; None on one machine."""
    may_be_scaled: bool = True
    """Whether this service has the right to change how many replicas a step has."""
