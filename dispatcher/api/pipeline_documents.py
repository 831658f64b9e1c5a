"""What the calls about pipelines take and give, for FastAPI and its documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from dispatcher.pipelines.flattening import MAX_STEPS
from dispatcher.pipelines.step_fields import (
    MAX_GPUS,
    MAX_REPLICAS,
    NAME_PATTERN,
    POSTED_TYPES,
    QUANTITY_PATTERN,
    STEP_ID_PATTERN,
    VOLUMES,
)
from dispatcher.topology.admin import Changed
from dispatcher.topology.status import Entry, PipelineStatus, TopologyObject


@dataclass(frozen=True, slots=True)
class CreatedPipeline:
    """A pipeline that was made, and every object that was made for it."""

    status: Literal["success"]
    pipeline_id: str
    name: str | None
    results: Sequence[TopologyObject]
    entry: Entry


@dataclass(frozen=True, slots=True)
class DeletedPipeline:
    """A pipeline that was deleted, and every object that was deleted with it."""

    status: Literal["success"]
    pipeline_id: str
    results: Sequence[TopologyObject]


@dataclass(frozen=True, slots=True)
class PipelineList:
    """All pipelines."""

    pipelines: Sequence[PipelineStatus]


def created(changed: Changed) -> CreatedPipeline:
    """Return the answer to a pipeline that was made."""
    return CreatedPipeline(
        status="success",
        pipeline_id=changed.pipeline.pipeline_id,
        name=changed.pipeline.name,
        results=changed.objects,
        entry=changed.pipeline.entry,
    )


def deleted(changed: Changed) -> DeletedPipeline:
    """Return the answer to a pipeline that was deleted."""
    return DeletedPipeline(
        status="success",
        pipeline_id=changed.pipeline.pipeline_id,
        results=changed.objects,
    )


_STEP_ID: Final[Mapping[str, Any]] = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": f"^{STEP_ID_PATTERN}$"},
    ]
}
_OPTIONAL_STEP_ID: Final[Mapping[str, Any]] = {"anyOf": [*_STEP_ID["anyOf"], {"type": "null"}]}
_REPLICAS: Final[Mapping[str, Any]] = {"type": "integer", "minimum": 1, "maximum": MAX_REPLICAS}
_QUANTITY: Final[Mapping[str, Any]] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{QUANTITY_PATTERN}$"}]
}
_AMOUNTS: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"cpu": _QUANTITY, "memory": _QUANTITY},
}
_STEP: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["type"],
    "additionalProperties": False,
    "properties": {
        "step_id": {**_STEP_ID, "description": "The position in the line unless given."},
        "type": {"enum": list(POSTED_TYPES)},
        "params": {"type": ["object", "null"], "description": "As GET /step-types says."},
        "next_step": {
            **_OPTIONAL_STEP_ID,
            "description": "The following step unless given; null, or the number after the last "
            "step's own, is the end.",
        },
        "preferred_next": {
            **_OPTIONAL_STEP_ID,
            "description": "A later step that pictures go to instead, while it is active.",
        },
        "replicas": {**_REPLICAS, "description": "min_replicas unless given, else 1."},
        "min_replicas": {
            **_REPLICAS,
            "description": "Fewest, when replicas follow the backlog; replicas unless given.",
        },
        "max_replicas": {
            **_REPLICAS,
            "description": "Most, when replicas follow the backlog; replicas unless given.",
        },
        "steps": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/PipelineStep"},
            "description": "Nested steps come right after this one.",
        },
        "gpu": {"type": "integer", "minimum": 0, "maximum": MAX_GPUS, "default": 0},
        "volumes": {"type": "array", "uniqueItems": True, "items": {"enum": list(VOLUMES)}},
        "resources": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"requests": _AMOUNTS, "limits": _AMOUNTS},
        },
    },
}
_NEW_PIPELINE: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["steps"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": ["string", "null"], "pattern": f"^{NAME_PATTERN}$"},
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_STEPS,
            "items": {"$ref": "#/components/schemas/PipelineStep"},
        },
    },
}
_STEP_CHANGE: Final[Mapping[str, Any]] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        "replicas": _REPLICAS,
        "min_replicas": _REPLICAS,
        "max_replicas": _REPLICAS,
        "preferred_next": _OPTIONAL_STEP_ID,
    },
}

REQUEST_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "PipelineStep": _STEP,
    "NewPipeline": _NEW_PIPELINE,
    "StepChange": _STEP_CHANGE,
}
"""Schemas of what clients send, by their names in the OpenAPI document."""
