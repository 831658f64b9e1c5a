"""Params that a client overrides for one job, checked before anything runs."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from dispatcher.errors import InvalidParamsError
from dispatcher.pipelines.model import Pipeline, Stage
from step_app.contract import STEP_TYPES

_MAX_DEPTH: Final = 20

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
        stages = [s for s in pipeline.stages if name in (s.key.step_id, s.type)]
        if not stages:
            known = ", ".join(sorted({s.key.step_id for s in pipeline.stages}))
            raise InvalidParamsError(f"No step of the pipeline has this id or type; ids: {known}.")
        for stage in stages:
            _check(stage, params)
            overrides.setdefault(stage.key.step_id, {}).update(params)
    return overrides


def _parse_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_float=_parse_float,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as exc:
        raise InvalidParamsError("params is not valid JSON.") from exc
    if not isinstance(document, dict) or not all(isinstance(v, dict) for v in document.values()):
        raise InvalidParamsError('params is an object like {"classifier": {"top_k": 3}}.')
    if _depth(document) > _MAX_DEPTH:
        raise InvalidParamsError("params is nested too deeply.")
    return document


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _parse_float(text: str) -> float:
    """Return a number; 3.0 becomes 3, which means the same and has to give the same result key."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return int(value) if value.is_integer() else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _depth(value: Any) -> int:
    """Return how deep a document is nested, without recursion and never past the maximum."""
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth


def _check(stage: Stage, params: Mapping[str, Any]) -> None:
    step_type = STEP_TYPES[stage.type]
    for name in sorted(step_type.fixed & params.keys()):
        raise InvalidParamsError(f"{stage.type}.{name} is fixed by the pipeline.")
    error = best_match(Draft202012Validator(step_type.params).iter_errors(params))
    if error is None:
        return
    where = ".".join([stage.type, *(str(part) for part in error.absolute_path)])
    allowed = {k: v for k, v in error.schema.items() if k in ("type", "minimum", "maximum", "enum")}
    if error.validator == "additionalProperties":
        allowed = {"params": sorted(step_type.params["properties"].keys() - step_type.fixed)}
    raise InvalidParamsError(f"{where} is not allowed; it must fit {json.dumps(allowed)}.")
