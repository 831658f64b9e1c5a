"""What a step is: decode on one thread, compute a batch on another, know your revision."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from step_app.contract.pictures import PictureReply
from step_app.contract.step_types import STEP_TYPES, StepType
from step_app.contract.tiles import Tile
from step_app.errors import InvalidParamsError, StepError


@dataclass(frozen=True, slots=True)
class StepRequest:
    """One image and what is wanted of it."""

    image: bytes
    params: Mapping[str, Any] = field(default_factory=dict)
    """Overrides of the step's params for this image alone."""
    output: str = ""
    """Media type of the pictures wanted; empty for the one the input's is delivered in."""
    tile: Tile | None = None
    """The chunk that is wanted of the result, instead of all of it."""
    lineage: str = ""
    """Names the image, so that the replica may keep what comes between two operations for other
    chains that begin the same way; empty when nothing of it may be shared."""
    as_is: bool = False
    """Whether the picture is only to be encoded anew, and no step to be run."""
    trace_id: str = ""
    """Of the trace that the image belongs to, for the log."""


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """A step's answer that is data, not a picture."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PictureOutput:
    """A step's answer that is pictures."""

    reply: PictureReply


Outcome = JsonOutput | PictureOutput | StepError


class Step(Protocol):
    """One loaded step.

    ``prepare`` and ``run`` are called on different threads, each on one thread at a time for
    ``run`` and possibly several for ``prepare``; what either remembers never changes an answer.
    """

    @property
    def revision(self) -> str:
        """What decides the answer besides image and params: same revision, same answer."""
        ...

    @property
    def description(self) -> Mapping[str, str]:
        """What was loaded, for people: model, runtime, precision."""
        ...

    @property
    def is_batched(self) -> bool:
        """Whether several images computed together take less time than one after the other."""
        ...

    def prepare(self, request: StepRequest) -> Any:
        """Decode one image and whatever else can be done for it alone.

        Raises:
            StepError: this image or these params get an error of their own.
        """
        ...

    def run(self, batch: Sequence[Any]) -> Sequence[Outcome]:
        """Compute a batch: one outcome for each prepared item, same length and same order."""
        ...


def complete_params(
    step_type: StepType, configured: Mapping[str, Any], override: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the params in force: defaults, then what was configured, then an override.

    Raises:
        InvalidParamsError: a value is unknown or out of range, or the override touches a param
            that is fixed once the step is loaded.
    """
    override = override or {}
    for name in step_type.fixed & override.keys():
        raise InvalidParamsError(f"{name}: is fixed by the pipeline and cannot be overridden")
    given = {**default_params(step_type), **configured, **override}
    params = {name: _as_json_means_it(name, value) for name, value in given.items()}
    _check(_pipeline_validator(step_type.name), params, step_type.name)
    for name in step_type.narrowed.keys() & override.keys():
        _check(_request_validator(step_type.name, name), override[name], name)
    return params


def default_params(step_type: StepType) -> dict[str, Any]:
    """Return the params that need not be given."""
    return {
        name: schema["default"]
        for name, schema in step_type.properties.items()
        if "default" in schema
    }


def _as_json_means_it(name: str, value: Any) -> Any:
    """Return a whole number as such, for 200.0 is 200 in JSON; refuse what JSON does not know."""
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        # Neither smaller nor larger than any limit, it would pass them all.
        raise InvalidParamsError(f"{name}: NaN is no number")
    return int(value) if value.is_integer() else value


def _check(validator: Draft202012Validator, params: object, name: str) -> None:
    if validator.is_valid(params):
        return
    error = best_match(validator.iter_errors(params))
    assert error is not None
    where = ".".join(str(part) for part in error.absolute_path) or name
    raise InvalidParamsError(f"{where}: {error.message}")


@cache
def _pipeline_validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(STEP_TYPES[name].params)


@cache
def _request_validator(name: str, param: str) -> Draft202012Validator:
    return Draft202012Validator(STEP_TYPES[name].narrowed[param])
