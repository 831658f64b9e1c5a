"""What a client may change about a step that exists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.flattening import check_preferred_next
from dispatcher.pipelines.step_fields import MAX_REPLICAS, read_integer, read_mapping

_KEYS: Final = ("replicas", "preferred_next")


@dataclass(frozen=True, slots=True)
class StepChange:
    """A change of one step."""

    replicas: int | None = None
    """How many there shall be; None leaves it as it is."""
    is_rerouted: bool = False
    """Whether ``preferred_next`` takes the place of what was there."""
    preferred_next: str | None = None


def read_change(document: object, *, step_id: str, order: Sequence[str]) -> StepChange:
    """Return the change that a client's document describes.

    Args:
        document: parsed JSON with ``replicas``, ``preferred_next`` or both.
        step_id: the step to be changed.
        order: ids of all steps of its pipeline in the order in which pictures pass.

    Raises:
        InvalidPipelineError: it describes none; the detail names the step.
    """
    where = f"step {step_id}"
    wanted = read_mapping(document, allowed=_KEYS, where=where)
    if not wanted:
        raise InvalidPipelineError(f"{where}: give {' or '.join(_KEYS)}, or both.")
    replicas = None
    if "replicas" in wanted:
        replicas = read_integer(
            wanted["replicas"], low=1, high=MAX_REPLICAS, where=f"{where}: replicas"
        )
    preferred = check_preferred_next(wanted.get("preferred_next"), step_id=step_id, order=order)
    return StepChange(
        replicas=replicas, is_rerouted="preferred_next" in wanted, preferred_next=preferred
    )
