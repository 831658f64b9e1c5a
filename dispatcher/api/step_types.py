"""The step types that a pipeline can be made of: ``GET /step-types``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter

from dispatcher.pipelines.step_fields import POSTED_TYPES
from step_app.contract.step_types import STEP_TYPES, OutputKind, StepType


@dataclass(frozen=True, slots=True)
class StepTypeDocument:
    """What a step of one type takes and gives."""

    type: str
    params: Mapping[str, Any]
    """JSON schema of the params of a pipeline's step."""
    request_params: Mapping[str, Any]
    """JSON schema of the params that a single image may override."""
    fixed: Sequence[str]
    """Params that no image may override."""
    input: Literal["image"]
    output: OutputKind
    shorthand: str | None
    """The param that an operation of POST /process sets by a bare value."""
    has_tiles: bool
    """Whether several replicas can compute one picture."""
    is_operation: bool
    """Whether POST /process can run it without a pipeline of its own."""


@dataclass(frozen=True, slots=True)
class StepTypeList:
    """All step types."""

    step_types: Sequence[StepTypeDocument]


def step_type_router() -> APIRouter:
    """Return the route of this resource."""
    router = APIRouter(tags=["pipelines"])

    @router.get("/step-types")
    async def list_step_types() -> StepTypeList:
        """Return every step type with its params as JSON schema."""
        return StepTypeList(step_types=[_document(STEP_TYPES[name]) for name in POSTED_TYPES])

    return router


def _document(step_type: StepType) -> StepTypeDocument:
    return StepTypeDocument(
        type=step_type.name,
        params=step_type.params,
        request_params={**step_type.request_params, "required": []},
        fixed=sorted(step_type.fixed),
        input="image",
        output=step_type.output,
        shorthand=step_type.shorthand,
        has_tiles=step_type.has_tiles,
        is_operation=step_type.is_operation,
    )
