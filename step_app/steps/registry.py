"""All step types by name: the only place that knows them all."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import cv2

from step_app.contract.step_types import STEP_TYPES
from step_app.errors import ConfigurationError, InvalidParamsError
from step_app.settings import Settings, StepConfig
from step_app.steps.base import Step, complete_params, default_params
from step_app.steps.blur import load_blur
from step_app.steps.chain import ChainStep, Link
from step_app.steps.classifier import load_classifier
from step_app.steps.deblur import load_deblur
from step_app.steps.grayscale import load_grayscale
from step_app.steps.operation import Operation
from step_app.steps.resize import load_resize
from step_app.steps.sobel import load_sobel
from step_app.steps.split import load_split
from step_app.steps.upscaling import load_upscaling

Params = Mapping[str, Any]
OperationLoader = Callable[[Params, Settings], Operation]

_OPERATIONS: Final[Mapping[str, OperationLoader]] = {
    "upscaling": load_upscaling,
    "deblur": load_deblur,
    "grayscale": load_grayscale,
    "sobel": load_sobel,
    "blur": load_blur,
    "resize": load_resize,
    "split": load_split,
}


def load_step(config: StepConfig, settings: Settings) -> Step:
    """Load the step that a replica is configured to be; may take seconds.

    Raises:
        ConfigurationError: unknown type, bad params, or what it needs is not there.
    """
    step_type = STEP_TYPES.get(config.type)
    if step_type is None:
        known = ", ".join(sorted(STEP_TYPES))
        raise ConfigurationError(f"unknown step type {config.type!r}: known are {known}")
    try:
        params = complete_params(step_type, config.params)
    except InvalidParamsError as exc:
        raise ConfigurationError(f"step {config.step_id} ({config.type}): {exc.detail}") from exc
    if config.type == "classifier":
        return load_classifier(params, settings)
    # More threads than a replica's share of the cores only wait for each other.
    cv2.setNumThreads(settings.step_threads)
    if config.type == "operations":
        return _load_operations(params, settings)
    return _load_single(config.type, params, settings)


def _load_single(name: str, params: Params, settings: Settings) -> ChainStep:
    operation = _OPERATIONS[name](params, settings)

    def resolve(override: Params) -> Sequence[Link]:
        return [Link(operation, complete_params(operation.step_type, params, override))]

    return ChainStep(resolve, revision=operation.revision, description={"model": name})


def _load_operations(params: Params, settings: Settings) -> ChainStep:
    operations = {
        name: load(default_params(STEP_TYPES[name]), settings) for name, load in _OPERATIONS.items()
    }
    return ChainStep(
        partial(_resolve_chain, operations, params),
        revision="+".join(operation.revision for operation in operations.values()),
        description={"model": "operations"},
    )


def _resolve_chain(
    operations: Mapping[str, Operation], configured: Params, override: Params
) -> Sequence[Link]:
    """Return the chain that a request brings: pairs of a type's name and its params."""
    params = complete_params(STEP_TYPES["operations"], configured, override)
    links = []
    for name, wanted in params["operations"]:
        operation = operations.get(name)
        if operation is None:
            known = ", ".join(sorted(operations))
            raise InvalidParamsError(f"operations: an unknown type; known are {known}")
        links.append(Link(operation, complete_params(operation.step_type, {}, wanted)))
    if links and params["output"]:
        links[-1] = Link(links[-1].operation, {**links[-1].params, "output": params["output"]})
    return links
