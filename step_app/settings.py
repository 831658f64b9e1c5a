"""What one replica is told by its environment, and what that means."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from step_app.errors import ConfigurationError


class Settings(BaseSettings):
    """Environment variables of a replica; the first four are those of reference system (a)."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True, extra="ignore")

    pipeline_config: str = "{}"
    """YAML or JSON: ``pipeline_id``, ``step_id`` and the pipeline's ``steps``."""
    pod_namespace: str = "default"
    """Namespace in which the other steps of the pipeline are looked up."""
    service_port: int = Field(default=5000, ge=0, le=65535)
    """Port to listen on."""
    app_label: str = "nn-service"
    """Value of the label ``app`` on the records of this pipeline."""
    service_host: str = "0.0.0.0"
    """Address to listen on."""
    step_threads: int = Field(default=os.cpu_count() or 1, ge=1)
    """Threads that the arithmetic of one image or batch may use."""
    max_batch_size: int = Field(default=8, ge=1)
    """Most images that are computed together."""
    model_cache_dir: Path | None = None
    """Where converted models and measured choices are kept between starts."""
    records_dir: Path | None = None
    """Where the records of the pipeline's steps are files; without it no other step is found."""
    exit_with_parent: bool = False
    """End when standard input closes, that is when the process that started this one is gone."""


@dataclass(frozen=True, slots=True)
class StepConfig:
    """Which step this replica is."""

    pipeline_id: str
    step_id: str
    type: str
    params: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]] = ()
    """All steps of the pipeline in their order, this one included."""


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: a variable does not parse.
    """
    try:
        return Settings()
    except ValidationError as exc:
        first = exc.errors()[0]
        name = str(first["loc"][0]).upper()
        raise ConfigurationError(f"{name}: {first['msg']}") from exc


def parse_step_config(text: str) -> StepConfig:
    """Find this replica's own step in ``PIPELINE_CONFIG``.

    An empty configuration means one classifier with default params, so that a replica can be
    tried alone.

    Raises:
        ConfigurationError: the text is no mapping, or its ``step_id`` names no step.
    """
    document = _load(text) or {}
    if not isinstance(document, dict):
        raise ConfigurationError("PIPELINE_CONFIG must be a mapping")
    if not document:
        return StepConfig(pipeline_id="default", step_id="0", type="classifier", params={})
    step_id = str(document.get("step_id", 0))
    step = _find_step(document.get("steps"), step_id)
    params = step.get("params") or {}
    if not isinstance(step.get("type"), str) or not isinstance(params, dict):
        raise ConfigurationError(f"PIPELINE_CONFIG: step {step_id} needs a type and params")
    return StepConfig(
        pipeline_id=str(document.get("pipeline_id", "default")),
        step_id=step_id,
        type=step["type"],
        params=params,
        steps=[other for other in document["steps"] if isinstance(other, dict) and "id" in other],
    )


def _load(text: str) -> Any:
    """Read JSON as JSON: as YAML, it would mean something else here and there."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ConfigurationError("PIPELINE_CONFIG is not valid YAML") from exc


def _find_step(steps: object, step_id: str) -> dict[str, Any]:
    for step in steps if isinstance(steps, list) else []:
        if isinstance(step, dict) and str(step.get("id")) == step_id:
            return step
    raise ConfigurationError(f"PIPELINE_CONFIG: no step has the id {step_id}")
