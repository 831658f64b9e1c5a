"""From the pipeline that a client describes to the line of steps that pictures pass.

Nested steps are put in line right after their parent, as ``flatten_steps`` of reference system
(a) does. The line is then followed from its first step by ``next_step``; what comes out is in the
order in which pictures pass, or one sentence about the first step that is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dispatcher.errors import InvalidPipelineError
from dispatcher.pipelines.replica_range import ReplicaRange, read_replicas
from dispatcher.pipelines.step_fields import (
    MAX_GPUS,
    read_integer,
    read_mapping,
    read_name,
    read_params,
    read_resources,
    read_step_id,
    read_type,
    read_volumes,
    shown,
)
from step_app.contract.step_types import STEP_TYPES

MAX_STEPS: Final = 32
MAX_DEPTH: Final = 2 * MAX_STEPS + 8
"""Levels of a document whose steps are nested one in the other, their params included."""
_PIPELINE_KEYS: Final = frozenset({"name", "steps"})
_STEP_KEYS: Final = frozenset(
    {
        "step_id", "type", "params", "next_step", "preferred_next", "replicas", "min_replicas",
        "max_replicas", "steps", "gpu", "volumes", "resources",
    }
)  # fmt: skip

_END: Final = object()
"""Is in no document, unlike None."""

RawStep = Mapping[str, Any]
"""A step as the client wrote it; its keys are known, its values are not checked."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step that a client asks for."""

    step_id: str
    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    next_step: str | None = None
    """Id of the step that follows in the line; None at its end."""
    preferred_next: str | None = None
    """Id of a later step that pictures go to instead, while it is active."""
    replicas: int = 1
    replica_range: ReplicaRange | None = None
    """Between which bounds they follow the load; None when they do not."""
    gpu: int = 0
    """GPUs of each replica's pod; acts in a cluster."""
    volumes: tuple[str, ...] = ()
    """Folders of the host that each pod sees; acts in a cluster."""
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """``requests`` and ``limits`` of each pod; acts in a cluster."""

    @property
    def most_replicas(self) -> int:
        """As many replicas as it can come to have."""
        return self.replicas if self.replica_range is None else self.replica_range.max


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A pipeline that a client asks for, its steps in the order in which pictures pass."""

    name: str | None
    steps: tuple[StepSpec, ...]


def flatten(document: object) -> PipelineSpec:
    """Return the pipeline that a client's document describes.

    Args:
        document: parsed JSON, ``{"name"?, "steps": [...]}``.

    Raises:
        InvalidPipelineError: it describes none; the detail names the step.
    """
    whole = read_mapping(document, allowed=_PIPELINE_KEYS, where="pipeline")
    name = read_name(whole.get("name"))
    line = list(_line(whole.get("steps")))
    if not line:
        raise InvalidPipelineError("steps: must be a list of at least one step.")
    ids = [
        read_step_id(raw.get("step_id", position), where=f"step at position {position}: step_id")
        for position, raw in enumerate(line)
    ]
    _check_unique(ids)
    steps = [
        _read_step(raw, step_id, following=following)
        for raw, step_id, following in zip(line, ids, [*ids[1:], None], strict=True)
    ]
    passed = _follow(steps)
    _check_route([step.step_id for step in passed], passed)
    return PipelineSpec(name=name, steps=passed)


def check_preferred_next(value: object, *, step_id: str, order: Sequence[str]) -> str | None:
    """Return the id of the step that pictures shall go to next; None for the usual one.

    Args:
        value: as the client wrote it.
        step_id: the step after which they go there.
        order: ids of all steps in the order in which pictures pass.

    Raises:
        InvalidPipelineError: no such step, or it does not come later.
    """
    if value is None:
        return None
    where = f"step {step_id}: preferred_next"
    preferred = read_step_id(value, where=where)
    later = order[order.index(step_id) + 1 :]
    if preferred not in later:
        choice = ", ".join(later) or "none"
        raise InvalidPipelineError(f"{where}: must be a later step; later steps: {choice}.")
    return preferred


def _line(steps: object) -> Iterator[RawStep]:
    """Yield all steps, nested ones right after their parent; stops at the first too many."""
    nested = [_siblings(steps, where="steps")]
    position = 0
    while nested:
        raw = next(nested[-1], _END)
        if raw is _END:
            nested.pop()
            continue
        if position == MAX_STEPS:
            raise InvalidPipelineError(
                f"step {position}: a pipeline has at most {MAX_STEPS} steps."
            )
        step = read_mapping(raw, allowed=_STEP_KEYS, where=f"step {position}")
        yield step
        if "steps" in step:
            nested.append(_siblings(step["steps"], where=f"step {position}: steps"))
        position += 1


def _siblings(steps: object, *, where: str) -> Iterator[object]:
    if not isinstance(steps, list):
        raise InvalidPipelineError(f"{where}: must be a list of steps, not {shown(steps)}.")
    return iter(steps)


def _check_unique(ids: Sequence[str]) -> None:
    for position, step_id in enumerate(ids):
        if step_id in ids[:position]:
            raise InvalidPipelineError(f"step {step_id}: two steps have this id.")


def _read_step(raw: RawStep, step_id: str, *, following: str | None) -> StepSpec:
    where = f"step {step_id}"
    step_type = read_type(raw.get("type"), where=f"{where}: type")
    next_step = raw.get("next_step", following)
    if next_step is not None:
        next_step = read_step_id(next_step, where=f"{where}: next_step")
    preferred = raw.get("preferred_next")
    if preferred is not None:
        preferred = read_step_id(preferred, where=f"{where}: preferred_next")
    replicas = read_replicas(raw, where=where)
    return StepSpec(
        step_id=step_id,
        type=step_type,
        params=read_params(raw.get("params"), step_type=step_type, where=where),
        next_step=next_step,
        preferred_next=preferred,
        replicas=replicas.count,
        replica_range=replicas.range if replicas.range.is_open else None,
        gpu=read_integer(raw.get("gpu", 0), low=0, high=MAX_GPUS, where=f"{where}: gpu"),
        volumes=read_volumes(raw.get("volumes", []), where=f"{where}: volumes"),
        resources=read_resources(raw.get("resources", {}), where=f"{where}: resources"),
    )


def _follow(steps: Sequence[StepSpec]) -> tuple[StepSpec, ...]:
    """Return the steps in the order in which ``next_step`` leads through them, all of them."""
    by_id = {step.step_id: step for step in steps}
    passed: dict[str, StepSpec] = {}
    current: StepSpec | None = steps[0]
    while current is not None:
        next_step = _next_of(current, by_id)
        if next_step == current.step_id or next_step in passed:
            raise InvalidPipelineError(
                f"step {current.step_id}: next_step: {next_step} was passed before, a circle."
            )
        passed[current.step_id] = replace(current, next_step=next_step)
        current = None if next_step is None else by_id[next_step]
    for step in steps:
        if step.step_id not in passed:
            raise InvalidPipelineError(f"step {step.step_id}: no next_step leads to it.")
    return tuple(passed.values())


def _next_of(step: StepSpec, by_id: Mapping[str, StepSpec]) -> str | None:
    """Return the id of the next step; None at the end of the line.

    Reference system (a) writes the end as the number after the last step's own.
    """
    if step.next_step is None or step.next_step in by_id:
        return step.next_step
    if step.step_id.isdigit() and step.next_step == str(int(step.step_id) + 1):
        return None
    raise InvalidPipelineError(
        f"step {step.step_id}: next_step: there is no such step; steps: {', '.join(by_id)}."
    )


def _check_route(order: Sequence[str], steps: Sequence[StepSpec]) -> None:
    for step in steps:
        check_preferred_next(step.preferred_next, step_id=step.step_id, order=order)
    for step in steps[:-1]:
        if STEP_TYPES[step.type].output == "json":
            raise InvalidPipelineError(
                f"step {step.step_id}: a {step.type} gives JSON and no picture, so it can only "
                "be the last step."
            )
