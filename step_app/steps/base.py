"""What a step is: decode on one thread, compute a batch on another, know your revision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from step_app.contract import StepType
from step_app.errors import InvalidParamsError, StepError


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """A step's answer that is data, not a picture."""

    data: Mapping[str, Any]


class Step(Protocol):
    """One loaded step.

    ``prepare`` and ``run`` are called on different threads, each on one thread at a time for
    ``run`` and possibly several for ``prepare``; neither keeps state between calls.
    """

    @property
    def revision(self) -> str:
        """What decides the answer besides image and params: same revision, same answer."""
        ...

    @property
    def description(self) -> Mapping[str, str]:
        """What was loaded, for people: model, runtime, precision."""
        ...

    def prepare(self, image: bytes, params: Mapping[str, Any]) -> Any:
        """Decode one image and whatever else can be done for it alone.

        Raises:
            StepError: this image or these params get an error of their own.
        """
        ...

    def run(self, batch: Sequence[Any]) -> Sequence[JsonOutput | StepError]:
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
    properties: Mapping[str, Mapping[str, Any]] = step_type.params["properties"]
    defaults = {name: schema["default"] for name, schema in properties.items()}
    params = {**defaults, **configured, **override}
    error = best_match(Draft202012Validator(step_type.params).iter_errors(params))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or step_type.name
        raise InvalidParamsError(f"{where}: {error.message}")
    return params
