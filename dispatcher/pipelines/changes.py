"""What a client may change about a step that exists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import check_preferred_next
from dispatcher.pipelines.replica_range import (
    REPLICA_KEYS,
    ReplicaRange,
    Replicas,
    read_changed_replicas,
)
from dispatcher.pipelines.step_fields import read_mapping

_KEYS: Final = (*REPLICA_KEYS, "preferred_next")


@dataclass(frozen=True, slots=True)
class StepChange:
    """A change of one step."""

    replicas: int | None = None
    """How many there shall be; None leaves it as it is."""
    replica_range: ReplicaRange | None = None
    """Between which bounds they follow the load; None leaves them as they are, and where there
    is nothing between them the number follows nothing."""
    is_rerouted: bool = False
    """Whether ``preferred_next`` takes the place of what was there."""
    preferred_next: str | None = None
    is_leaving: bool = False
    """Whether the whole pipeline takes no new work any more, at any dispatcher."""


def read_change(
    document: object, *, step_id: str, order: Sequence[str], now: Replicas
) -> StepChange:
    """Return the change that a client's document describes.

    Args:
        document: parsed JSON with ``replicas``, its bounds, ``preferred_next`` or some of them.
        step_id: the step to be changed.
        order: ids of all steps of its pipeline in the order in which pictures pass.
        now: how many replicas it shall have before the change.

    Raises:
        InvalidPipelineError: it describes none; the detail names the step.
    """
    where = f"step {step_id}"
    wanted = read_mapping(document, allowed=_KEYS, where=where)
    if not wanted:
        raise InvalidPipelineError(f"{where}: give some of {', '.join(_KEYS)}.")
    replicas = None
    if not wanted.keys().isdisjoint(REPLICA_KEYS):
        replicas = read_changed_replicas(wanted, now, where=where)
    preferred = check_preferred_next(wanted.get("preferred_next"), step_id=step_id, order=order)
    return StepChange(
        replicas=None if replicas is None else replicas.count,
        replica_range=None if replicas is None else _bounds(replicas, now),
        is_rerouted="preferred_next" in wanted,
        preferred_next=preferred,
    )


def _bounds(wanted: Replicas, now: Replicas) -> ReplicaRange | None:
    """Return what the bounds become; None when there were none and there will be none."""
    return wanted.range if wanted.range.is_open or now.range.is_open else None
