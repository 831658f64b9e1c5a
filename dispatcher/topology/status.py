"""What is wanted and what runs, as the API tells it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dispatcher.topology.configmap import StepRecord


class TopologyState(StrEnum):
    """How a step or a pipeline is."""

    STARTING = "starting"  # not all replicas were ready yet
    READY = "ready"  # all replicas are ready
    DEGRADED = "degraded"  # a replica ended or fell silent, and is started again
    FAILED = "failed"  # a replica can never start as it is configured
    DELETING = "deleting"  # takes no new work and finishes what it has


_BY_GRAVITY = (
    TopologyState.FAILED,
    TopologyState.DEGRADED,
    TopologyState.STARTING,
    TopologyState.READY,
)


@dataclass(frozen=True, slots=True)
class ReplicaCounts:
    """How many replicas a step has."""

    desired: int
    """That there shall be."""
    running: int
    """Processes, those included that start or end."""
    ready: int
    """That take work."""
    min: int
    """Fewest that the load may bring them down to; ``desired`` when they do not follow it."""
    max: int
    """Most that the load may bring them up to; likewise."""


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One step."""

    step_id: str
    type: str
    params: Mapping[str, Any]
    next_step: str | None
    preferred_next: str | None
    replicas: ReplicaCounts
    state: TopologyState
    reason: str | None
    """Why it is degraded or failed."""
    endpoints: Sequence[str]
    """URLs of the replicas that run."""
    gpu: int
    volumes: Sequence[str]
    resources: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a pipeline takes images without the dispatcher."""

    step_id: str
    url: str
    process_url: str
    node_port: int | None = None
    """Port of every node of the cluster that leads there, too; None when there is none."""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """One pipeline."""

    pipeline_id: str
    name: str | None
    state: TopologyState
    steps: Sequence[StepStatus]
    """In the order in which pictures pass."""
    entry: Entry
    created_at: str | None = None
    """None for a pipeline that is built in."""

    def step(self, step_id: str) -> StepStatus | None:
        """Return one of its steps; None when it has none of that id."""
        return next((step for step in self.steps if step.step_id == step_id), None)


@dataclass(frozen=True, slots=True)
class TopologyObject:
    """A thing that was made or deleted."""

    kind: str
    name: str
    url: str | None = None
    """Of a replica: where it answers."""


def step_state(counts: ReplicaCounts, *, is_refused: bool, is_troubled: bool) -> TopologyState:
    """Return how a step is.

    Args:
        counts: of its replicas.
        is_refused: whether a replica said that it can never start.
        is_troubled: whether one had to be started again and is not ready since.
    """
    if is_refused:
        return TopologyState.FAILED
    if is_troubled:
        return TopologyState.DEGRADED
    return TopologyState.READY if counts.ready >= counts.desired else TopologyState.STARTING


def step_status(
    record: StepRecord,
    counts: ReplicaCounts,
    *,
    endpoints: Sequence[str],
    is_refused: bool = False,
    trouble: str | None = None,
) -> StepStatus:
    """Return how the step of a record is.

    Args:
        record: says what is wanted.
        counts: of its replicas.
        endpoints: URLs of those that run.
        is_refused: whether a replica said that it can never start.
        trouble: why not all is well; None when it is.
    """
    own = record.own_step
    return StepStatus(
        step_id=record.key.step_id,
        type=record.type,
        params=record.params,
        next_step=_text(own.get("next_step")),
        preferred_next=_text(own.get("preferred_next")),
        replicas=counts,
        state=step_state(counts, is_refused=is_refused, is_troubled=trouble is not None),
        reason=trouble,
        endpoints=endpoints,
        gpu=record.gpu,
        volumes=record.volumes,
        resources=record.resources,
    )


def pipeline_state(steps: Iterable[TopologyState], *, is_leaving: bool = False) -> TopologyState:
    """Return how a pipeline is: like the worst of its steps, unless it is being deleted."""
    if is_leaving:
        return TopologyState.DELETING
    return min(steps, key=_BY_GRAVITY.index)


def _text(step_id: object) -> str | None:
    return None if step_id is None else str(step_id)
