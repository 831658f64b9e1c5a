"""Chains of operations, and the pools that run them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.jobs import OperationSpec
from dispatcher.pipelines.model import Pipeline, Stage
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from step_app.contract.step_types import STEP_TYPES
from tests.dispatcher.records import make_pipeline, make_stage

HOSTED = "operations/0"
"""The step whose pool runs all cheap types."""
CLASSIFIER = "default/0"


def operations_pipeline(*, revision: str = "r1") -> Pipeline:
    """The built-in pipeline that runs all cheap types in one pool."""
    stage = make_stage(pipeline_id=OPERATIONS_PIPELINE, step_type="operations", revision=revision)
    return make_pipeline(stage, pipeline_id=OPERATIONS_PIPELINE)


def spec(step_type: str, **params: Any) -> OperationSpec:
    """One operation of a job, with complete params."""
    schema = STEP_TYPES[step_type].params["properties"]
    defaults = {name: value["default"] for name, value in schema.items() if "default" in value}
    return OperationSpec(step_type, defaults | params)


def bare(step_type: str, **params: Any) -> OperationSpec:
    """One operation of a job, with these params alone: enough for a scripted replica."""
    return OperationSpec(step_type, params)


def hosted(step_id: str, step_type: str, **params: Any) -> Stage:
    """A stage that the pool of all cheap types runs."""
    known = make_stage(pipeline_id=OPERATIONS_PIPELINE, step_type=step_type, params=params)
    return replace(known, id=step_id, is_hosted=True)


def dedicated(
    step_id: str, step_type: str, params: Mapping[str, Any] | None = None, *, revision: str = "r1"
) -> Stage:
    """A stage with a pool of its own."""
    return make_stage(step_id, step_type=step_type, params=params, revision=revision)
