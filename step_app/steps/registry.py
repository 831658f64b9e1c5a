"""All step types by name: the only place that knows them all."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from step_app.contract import STEP_TYPES
from step_app.errors import ConfigurationError, InvalidParamsError
from step_app.settings import Settings, StepConfig
from step_app.steps.base import Step, complete_params
from step_app.steps.classifier import load_classifier

StepLoader = Callable[[Mapping[str, Any], Settings], Step]

_LOADERS: Final[Mapping[str, StepLoader]] = {"classifier": load_classifier}


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
    return _LOADERS[config.type](params, settings)
