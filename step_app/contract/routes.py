"""Which step comes next: the same rule for a dispatcher and for a replica that forwards.

After the reference pipelines: ``preferred_next`` when that step is active, else the first active
step after this one in the pipeline's order. A step is active while its record exists.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

StepDocument = Mapping[str, Any]
"""One entry of a record's ``steps``: id, type, params, next_step, preferred_next."""


def next_active(
    steps: Sequence[StepDocument], step_id: str, *, active: Collection[str]
) -> str | None:
    """Return the id of the step that follows, or None when no active one does.

    Args:
        steps: all steps of the pipeline, in their order.
        step_id: the step that is done.
        active: ids of the steps whose record exists.
    """
    ids = [str(step["id"]) for step in steps]
    position = ids.index(step_id)
    later = ids[position + 1 :]
    preferred = steps[position].get("preferred_next")
    if preferred is not None and str(preferred) in later and str(preferred) in active:
        return str(preferred)
    return next((other for other in later if other in active), None)


def active_route(steps: Sequence[StepDocument], *, active: Collection[str]) -> list[str]:
    """Return the ids of the steps that a picture passes, from the first active one on."""
    route = []
    current = next((str(step["id"]) for step in steps if str(step["id"]) in active), None)
    while current is not None:
        route.append(current)
        current = next_active(steps, current, active=active)
    return route
