"""A chain of operations that a client brings along, as a pipeline made for it."""

from collections.abc import Sequence
from typing import Final

from dispatcher.errors import UnknownPipelineError
from dispatcher.jobs import OperationSpec
from dispatcher.pipelines.model import Pipeline, Stage
from dispatcher.pipelines.overrides import Overrides
from dispatcher.pipelines.store import PipelineStore
from step_app.contract.step_types import STEP_TYPES

OPERATIONS_PIPELINE: Final = "operations"
"""The built-in pipeline whose one pool runs all cheap step types."""
DEFAULT_PIPELINE: Final = "default"
"""The built-in pipeline of the classifier."""


def pipeline_for(operations: Sequence[OperationSpec], pipelines: PipelineStore) -> Pipeline:
    """Return the pipeline that runs these operations in their order.

    Cheap ones share the pool of ``operations``, a classifier goes to the default pipeline's.

    Raises:
        UnknownPipelineError: there is no such pool at the moment.
    """
    return Pipeline(
        id=OPERATIONS_PIPELINE,
        stages=tuple(
            _stage(str(number), operation, pipelines) for number, operation in enumerate(operations)
        ),
    )


def overrides_for(operations: Sequence[OperationSpec]) -> Overrides:
    """Return what these operations change about the configured params of their pools."""
    return {
        str(number): operation.params
        for number, operation in enumerate(operations)
        if not STEP_TYPES[operation.type].is_operation
    }


def _stage(number: str, operation: OperationSpec, pipelines: PipelineStore) -> Stage:
    is_cheap = STEP_TYPES[operation.type].is_operation
    home = pipelines.find(OPERATIONS_PIPELINE if is_cheap else DEFAULT_PIPELINE)
    pool = home.stages[0]
    if not is_cheap and pool.type != operation.type:
        raise UnknownPipelineError(f"No pool runs the step type {operation.type}.")
    return Stage(
        key=pool.key,
        type=operation.type,
        params=operation.params if is_cheap else pool.params,
        model_revision=pool.model_revision,
        id=number,
        is_hosted=is_cheap,
    )
