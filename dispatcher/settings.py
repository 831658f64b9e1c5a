"""All settings: each is a flag and an environment variable ``DISPATCHER_<NAME>``; flags win."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dispatcher.errors import StartupError


class Settings(BaseSettings):
    """Conveyor's dispatcher: images in, tickets out, results you can trust."""

    model_config = SettingsConfigDict(
        env_prefix="DISPATCHER_",
        cli_prog_name="./setup.sh run",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        use_attribute_docstrings=True,
        frozen=True,
        extra="forbid",
    )

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    data_dir: Path = Path(".conveyor")
    """Directory for records, converted models and, with a durable queue, jobs and images."""
    replicas: int = Field(default=len(os.sched_getaffinity(0)), ge=1, le=256)
    """Replicas of the default pipeline's step; the default is the number of cores."""
    model: str = "efficientnet_lite0"
    """Classifier of the default pipeline: efficientnet_lite0, resnet18 or any of torchvision."""
    runtime: Literal["auto", "torch", "openvino"] = "auto"
    """What executes the model; auto measures and takes the fastest that gives the same labels."""
    precision: Literal["auto", "f32", "bf16"] = "auto"
    """Precision of the arithmetic; auto decides together with the runtime."""
    weights: str | None = None
    """Weights of the model: a file, DEFAULT, or random to measure speed alone."""
    operation_replicas: int = Field(default=len(os.sched_getaffinity(0)), ge=0, le=256)
    """Replicas that run the cheap step types of /process; 0 switches them off."""
    models_dir: Path | None = None
    """Directory of the model files that clients may name; DATA_DIR/user-models unless told."""
    max_local_replicas: int = Field(default=128, ge=0, le=4096)
    """Most replicas of all pipelines that clients make on this machine, together."""
    queue: Literal["memory"] = "memory"
    """Where accepted jobs wait."""
    topology: Literal["local"] = "local"
    """Where replicas run: local child processes."""
    queue_capacity: int = Field(default=200, ge=1, le=1_000_000)
    """Most jobs that wait; one more is refused with 503."""
    cache_size: int = Field(default=1000, ge=0, le=10_000_000)
    """Most results kept for identical images; 0 switches the cache off."""
    max_batch_size: int = Field(default=8, ge=1, le=256)
    """Most images that a replica computes together."""
    result_retention_s: float = Field(default=3600.0, gt=0)
    """How long an ended job can be read, in seconds."""
    result_retention_count: int = Field(default=10_000, ge=1)
    """How many ended jobs can be read; the oldest go first."""
    drain_timeout_s: float = Field(default=30.0, ge=0)
    """How long accepted work may take after SIGTERM, in seconds."""


def load_settings(argv: Sequence[str]) -> Settings:
    """Read flags and environment; ``--help`` prints them all and exits.

    Raises:
        StartupError: a value is not allowed.
    """
    try:
        return Settings(_cli_parse_args=list(argv))  # type: ignore[call-arg] # a documented keyword
    except ValidationError as exc:
        first = exc.errors()[0]
        name = str(first["loc"][0]).replace("_", "-") if first["loc"] else "settings"
        raise StartupError(f"--{name}: {first['msg']} (got {first['input']!r})") from exc
