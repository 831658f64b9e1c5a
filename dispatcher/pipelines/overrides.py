"""Params that a client overrides for one job, checked before anything runs."""

import json
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from dispatcher.errors import InvalidParamsError
from dispatcher.pipelines.model import Pipeline, Stage
from dispatcher.pipelines.strict_json import NestedTooDeeplyError, load_json
from step_app.contract.step_types import STEP_TYPES, StepType
from step_app.contract.tiles import MAX_TILES

_MAX_DEPTH: Final = 20
_TOLD: Final = ("type", "minimum", "maximum", "enum", "examples")
"""Parts of a schema that tell a client what is allowed."""

Overrides = Mapping[str, Mapping[str, Any]]


def parse_overrides(text: str | None, pipeline: Pipeline) -> Overrides:
    """Parse ``params``: a JSON object from step id or step type to params.

    Returns:
        Overrides by step id.

    Raises:
        InvalidParamsError: not such an object, an unknown step, or a value out of range.
    """
    if not text:
        return {}
    document = _parse_object(text)
    overrides: dict[str, dict[str, Any]] = {}
    for name, params in document.items():
        stages = [s for s in pipeline.stages if name in (s.step_id, s.type)]
        if not stages:
            known = ", ".join(sorted({s.step_id for s in pipeline.stages}))
            raise InvalidParamsError(f"No step of the pipeline has this id or type; ids: {known}.")
        for stage in stages:
            _check(stage, params)
            overrides.setdefault(stage.step_id, {}).update(params)
    return overrides


def with_tiles(overrides: Overrides, pipeline: Pipeline, tiles: int) -> Overrides:
    """Return overrides that have every step cut its pictures into so many chunks that can.

    Raises:
        InvalidParamsError: no step of the pipeline can, or there are too many chunks.
    """
    stages = [stage for stage in pipeline.stages if STEP_TYPES[stage.type].has_tiles]
    if not stages:
        able = ", ".join(sorted(t.name for t in STEP_TYPES.values() if t.has_tiles))
        raise InvalidParamsError(f"tiles: no step of the pipeline can be cut; {able} can.")
    if not 1 <= tiles <= MAX_TILES:
        raise InvalidParamsError(f"tiles is a whole number from 1 to {MAX_TILES}.")
    merged = {step_id: dict(params) for step_id, params in overrides.items()}
    for stage in stages:
        merged.setdefault(stage.step_id, {}).setdefault("tiles", tiles)
    return merged


def _parse_object(text: str) -> dict[str, Any]:
    try:
        document = load_json(text, max_depth=_MAX_DEPTH)
    except NestedTooDeeplyError as exc:
        raise InvalidParamsError("params is nested too deeply.") from exc
    except ValueError as exc:
        raise InvalidParamsError("params is not valid JSON.") from exc
    if not isinstance(document, dict) or not all(isinstance(v, dict) for v in document.values()):
        raise InvalidParamsError('params is an object like {"classifier": {"top_k": 3}}.')
    return document


def _check(stage: Stage, params: Mapping[str, Any]) -> None:
    step_type = STEP_TYPES[stage.type]
    for name in sorted(step_type.fixed & params.keys()):
        raise InvalidParamsError(f"{stage.type}.{name} is fixed by the pipeline.")
    error = best_match(Draft202012Validator(_override_schema(step_type)).iter_errors(params))
    if error is None:
        return
    where = ".".join([stage.type, *(str(part) for part in error.absolute_path)])
    allowed = {k: v for k, v in error.schema.items() if k in _TOLD}
    if error.validator == "additionalProperties":
        allowed = {"params": sorted(step_type.params["properties"].keys() - step_type.fixed)}
    raise InvalidParamsError(f"{where} is not allowed; it must fit {json.dumps(allowed)}.")


def _override_schema(step_type: StepType) -> Mapping[str, Any]:
    """Return the schema of an override: any of the params, none of them required."""
    return {**step_type.request_params, "required": []}
