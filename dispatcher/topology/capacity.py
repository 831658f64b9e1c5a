"""Whether a wish about pipelines fits in with those that exist: pure decisions."""

from collections.abc import Collection, Sequence
from typing import Final

from dispatcher.errors import (
    InvalidPipelineError,
    NotFoundError,
    TooManyPipelinesError,
    TooManyReplicasError,
    UnknownPipelineError,
)
from dispatcher.topology.blueprint import is_made_by_client
from dispatcher.topology.status import PipelineStatus, StepStatus

MAX_PIPELINES: Final = 32
"""Most pipelines that clients may have at once."""


def find_pipeline(id_or_name: str, existing: Sequence[PipelineStatus]) -> PipelineStatus:
    """Return the pipeline of that id, or else of that name.

    Raises:
        UnknownPipelineError: there is none.
    """
    by_name = {pipeline.name: pipeline for pipeline in existing if pipeline.name is not None}
    by_id = {pipeline.pipeline_id: pipeline for pipeline in existing}
    found = by_id.get(id_or_name) or by_name.get(id_or_name)
    if found is None:
        raise UnknownPipelineError(f"There is no such pipeline; there is: {', '.join(by_id)}.")
    return found


def find_step(pipeline: PipelineStatus, step_id: str) -> StepStatus:
    """Return one step of a pipeline.

    Raises:
        NotFoundError: it has none of that id.
    """
    steps = {step.step_id: step for step in pipeline.steps}
    if step_id not in steps:
        raise NotFoundError(f"The pipeline has no such step; it has: {', '.join(steps)}.")
    return steps[step_id]


def check_name(name: str | None, *, taken: Collection[str | None]) -> None:
    """Return when a pipeline may be called so.

    Raises:
        InvalidPipelineError: another one is.
    """
    if name is not None and name in taken:
        raise InvalidPipelineError(f"name: there is a pipeline {name} already.")


def check_pipelines(existing: Sequence[PipelineStatus]) -> None:
    """Return when there may be one pipeline more.

    Raises:
        TooManyPipelinesError: there are as many as there may be.
    """
    made = sum(is_made_by_client(pipeline.pipeline_id) for pipeline in existing)
    if made >= MAX_PIPELINES:
        raise TooManyPipelinesError(f"At most {MAX_PIPELINES} pipelines may be made.")


def check_replicas(existing: Sequence[PipelineStatus], *, more: int, limit: int) -> None:
    """Return when there may be so many replicas more in the pipelines that clients made.

    A step that follows its load counts with the most that it can come to have, so that the limit
    is never in its way. Fewer are always well, even where a lower limit came with a restart.

    Raises:
        TooManyReplicasError: that would be too many.
    """
    most = sum(
        step.replicas.max
        for pipeline in existing
        if is_made_by_client(pipeline.pipeline_id)
        for step in pipeline.steps
    )
    if more > 0 and most + more > limit:
        raise TooManyReplicasError(
            f"There are {most} replicas in the pipelines that were made; {more} more are too "
            f"many, the limit is {limit}."
        )
