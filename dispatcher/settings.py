"""All settings: each is a flag and an environment variable ``DISPATCHER_<NAME>``; flags win."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from dispatcher.errors import StartupError


class Settings(BaseSettings):
    """Conveyor's dispatcher: images in, tickets out, results you can trust."""

    model_config = SettingsConfigDict(
        env_prefix="DISPATCHER_",
        cli_prog_name="./setup.sh run",
        cli_kebab_case=True,
        cli_implicit_flags=True,
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
    replicas: int = Field(default=len(os.sched_getaffinity(0)), ge=0, le=256)
    """Replicas of the default pipeline's step, as many as cores unless told; 0 does without it."""
    max_replicas: int | None = Field(default=None, ge=1, le=256)
    """Most replicas of it, which then follow its backlog; as many as replicas unless told."""
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
    """Most replicas of all pipelines that clients make, together; in a cluster, too."""
    queue: Literal["sqlite", "memory", "rabbitmq"] = "sqlite"
    """Where accepted jobs are kept: sqlite survives crashes, memory ends with the process, rabbitmq
    is shared by several dispatchers and needs the three URLs."""
    role: Literal["all", "api", "worker"] = "all"
    """What this dispatcher does: accept images (api), work on them (worker), or both (all)."""
    rabbitmq_url: SecretStr | None = None
    """Queue that dispatchers share: amqp://user:password@host:5672/vhost, or amqps://."""
    redis_url: SecretStr | None = None
    """What dispatchers know together: redis://user:password@host:6379/0, or rediss://."""
    blob_url: SecretStr | None = None
    """Where they keep images and results: s3://bucket/folder?endpoint=https://..., or a directory;
    the credentials are those of the AWS_* environment variables."""
    prefetch_count: int = Field(default=0, ge=0, le=10_000)
    """Jobs of each pipeline and priority that a dispatcher takes from RabbitMQ at a time; 0 means
    as many as its replicas can have in work. PREFETCH_COUNT in the environment does the same."""
    share_tiles: bool = True
    """Whether the tiles of one picture are spread over the dispatchers of a shared queue."""
    topology: Literal["local", "kubernetes", "files"] = "local"
    """Where replicas run: local child processes, pods of a Kubernetes cluster, or wherever the
    files of a directory say."""
    records_dir: Path | None = None
    """Directory of those files, the records of replicas that somebody else runs."""
    kubeconfig: Path | None = None
    """Cluster to use from outside; without one, the cluster that this runs in."""
    pipeline_namespace: str = "conveyor-steps"
    """Namespace of the steps' ConfigMaps, Deployments and Services in a cluster."""
    step_image: str = "conveyor-step:0.1.0"
    """Container image of the replicas of pipelines that clients make in a cluster."""
    step_node_port: bool = True
    """Whether the first step of a pipeline that a client makes gets a NodePort in a cluster."""
    step_gpu_limit: int = Field(default=0, ge=0, le=64)
    """Most GPUs that clients may ask for each replica in a cluster."""
    step_volumes: str = ""
    """Folders of the host that clients may ask for in a cluster: cuda, lib, jetson-inference."""
    pod_cidrs: str = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7"
    """Networks in which a cluster's pods have their addresses; images go nowhere else."""
    allow_pipeline_changes: bool = True
    """Whether clients may make, change and delete pipelines; off needs fewer rights."""
    autoscale: bool = True
    """Whether steps with a range of replicas follow their backlog; off leaves it to others."""
    queue_capacity: int = Field(default=200, ge=1, le=1_000_000)
    """Most jobs that wait; one more is refused with 503."""
    queue_capacity_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Most bytes of images that wait; one more is refused with 503."""
    max_queue_age_s: float = Field(default=300.0, gt=0)
    """Once the oldest waiting job has waited this long, in seconds, new ones are refused."""
    burst_s: float = Field(default=10.0, gt=0)
    """How long the queue may stay full, in seconds, until it is kept short."""
    upload_budget_bytes: int = Field(default=512 * 1024**2, ge=1)
    """Most bytes of uploads that arrive at the same time; what comes more is refused with 503."""
    storage_limit_bytes: int = Field(default=0, ge=0)
    """Most bytes of images and results kept on disk; 0 means as many as the disk has."""
    storage_reserve_percent: float = Field(default=5.0, ge=0, lt=100)
    """Part of the disk, or of the limit, that is left for finishing what was accepted."""
    api_keys_file: Path | None = None
    """File of hashed API keys with their scopes; without one no key is required."""
    allow_anonymous: bool = False
    """Whether to serve other machines without API keys."""
    rate_limit_per_s: float = Field(default=0.0, ge=0)
    """Submissions a second that one API key may make, counted by each dispatcher by itself; 0 means
    no limit."""
    header_timeout_s: float = Field(default=15.0, gt=0)
    """How long the head of a request may take to arrive, in seconds."""
    body_timeout_s: float = Field(default=60.0, gt=0)
    """How long a request body may take to arrive, in seconds; each 64 KiB of it add a second."""
    webhook_secret_file: Path | None = None
    """File of the secret that signs webhooks; made in the data directory unless told. With a
    shared queue there are none without it."""
    webhook_allow_http: bool = False
    """Whether webhooks may go to http:// addresses."""
    webhook_allow_private: bool = False
    """Whether webhooks may go to private and loopback addresses."""
    idempotency_retention_s: float = Field(default=24 * 3600.0, gt=0)
    """How long an Idempotency-Key is remembered, in seconds."""
    cache_size: int = Field(default=1000, ge=0, le=10_000_000)
    """Most results kept for identical images; 0 switches the cache off."""
    max_batch_size: int = Field(default=8, ge=1, le=256)
    """Most images that a replica computes together."""
    result_retention_s: float = Field(default=3600.0, gt=0)
    """How long an ended job can be read, in seconds."""
    result_retention_count: int = Field(default=10_000, ge=1)
    """How many ended jobs can be read; the oldest go first."""
    otlp_endpoint: str | None = Field(default=None, pattern="^https?://[^/]")
    """Collector that spans are sent to by OTLP over HTTP, like http://127.0.0.1:4318; none are sent
    without one. OTEL_EXPORTER_OTLP_ENDPOINT in the environment does the same."""
    drain_timeout_s: float = Field(default=30.0, ge=0)
    """How long accepted work may take after SIGTERM, in seconds."""

    @field_validator("max_replicas")
    @classmethod
    def _check_range(cls, most: int | None, info: ValidationInfo) -> int | None:
        """Refuse a range of replicas that is none."""
        fewest = info.data.get("replicas")
        if most is not None and fewest is not None and most < fewest:
            raise ValueError(f"must not be less than --replicas, {fewest}")
        return most

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Refuse settings that make no sense together."""
        is_shared = self.queue == "rabbitmq"
        urls = {
            "--rabbitmq-url": self.rabbitmq_url,
            "--redis-url": self.redis_url,
            "--blob-url": self.blob_url,
        }
        missing = [flag for flag, url in urls.items() if url is None]
        if is_shared and missing:
            raise ValueError(f"--queue rabbitmq needs {', '.join(missing)}")
        if not is_shared and self.role != "all":
            raise ValueError(f"--role {self.role} needs a queue that is shared: --queue rabbitmq")
        if self.role == "api" and self.topology == "local":
            raise ValueError("--role api runs no replicas: --topology files or kubernetes")
        if (self.topology == "files") != (self.records_dir is not None):
            raise ValueError("--topology files and --records-dir go together")
        return self


def load_settings(argv: Sequence[str]) -> Settings:
    """Read flags and environment; ``--help`` prints them all and exits.

    Raises:
        StartupError: a value is not allowed.
    """
    try:
        return Settings(_cli_parse_args=list(argv), **_other_names())  # type: ignore[call-arg] # documented
    except ValidationError as exc:
        first = exc.errors()[0]
        if not first["loc"]:  # about several together: the input has their secrets
            raise StartupError(str(first["ctx"]["error"])) from exc
        name = str(first["loc"][0]).replace("_", "-")
        raise StartupError(f"--{name}: {first['msg']} (got {first['input']!r})") from exc


def _other_names() -> dict[str, Any]:
    """Return settings that the environment has under the name that others give them."""
    is_named = "DISPATCHER_PREFETCH_COUNT" in os.environ or "PREFETCH_COUNT" not in os.environ
    return {} if is_named else {"prefetch_count": os.environ["PREFETCH_COUNT"]}
