"""Puts the rooms together: the only place that knows which backend a setting means."""

import fcntl
import random
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import StartupError
from dispatcher.execution.consumer import Consumer
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.submission import Intake
from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.monitor import HealthMonitor
from dispatcher.queues.base import JobQueue
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.results.base import ResultStore
from dispatcher.results.memory import MemoryResultStore
from dispatcher.settings import Settings
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from dispatcher.topology.base import Discovery, Launcher
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.local import LocalLauncher, LocalLimits
from dispatcher.topology.records import RecordDirectory

DEFAULT_PIPELINE: Final = "default"
_LOCK_FILE: Final = "lock"


@dataclass(slots=True)
class Lifecycle:
    """Where the service is between start and end."""

    is_started: bool = False
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the API and the server use, ready to be started."""

    settings: Settings
    lifecycle: Lifecycle
    metrics: Metrics
    figures: Figures
    queue: JobQueue
    results: ResultStore
    blobs: BlobStore
    pipelines: PipelineStore
    cache: ResultCache
    coalescing: Coalescing
    client: ReplicaClient
    pools: PoolDirectory
    monitor: HealthMonitor
    intake: Intake
    consumer: Consumer
    discovery: Discovery
    launcher: Launcher


def build_services(settings: Settings) -> Services:
    """Build all services; nothing is started and no file is touched."""
    lifecycle = Lifecycle()
    metrics = Metrics()
    figures = Figures(metrics)
    queue = MemoryJobQueue(capacity=settings.queue_capacity)
    results = MemoryResultStore(
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
    )
    blobs = MemoryBlobStore()
    pipelines = PipelineStore()
    cache = ResultCache(max_size=settings.cache_size)
    coalescing = Coalescing()
    client = ReplicaClient()
    policy = HealthPolicy()
    pools = PoolDirectory(client=client, policy=policy)
    intake = Intake(
        queue=queue,
        results=results,
        blobs=blobs,
        pipelines=pipelines,
        cache=cache,
        coalescing=coalescing,
        figures=figures,
        is_draining=lambda: lifecycle.is_draining,
    )
    executor = Executor(
        pipelines=pipelines,
        pools=pools,
        blobs=blobs,
        policy=RetryPolicy(),
        jitter=random.Random(),
    )
    consumer = Consumer(
        queue=queue,
        results=results,
        executor=executor,
        pools=pools,
        figures=figures,
        on_ended=intake.settle,
    )
    records = RecordDirectory(settings.data_dir / "topology")
    launcher = LocalLauncher(
        default_record(settings),
        records=records,
        client=client,
        limits=LocalLimits(
            model_cache_dir=(settings.data_dir / "models").resolve(),
            max_batch_size=settings.max_batch_size,
        ),
    )
    return Services(
        settings=settings,
        lifecycle=lifecycle,
        metrics=metrics,
        figures=figures,
        queue=queue,
        results=results,
        blobs=blobs,
        pipelines=pipelines,
        cache=cache,
        coalescing=coalescing,
        client=client,
        pools=pools,
        monitor=HealthMonitor(pools, client=client, policy=policy),
        intake=intake,
        consumer=consumer,
        discovery=records,
        launcher=launcher,
    )


def default_record(settings: Settings) -> StepRecord:
    """Return the record of the pipeline that runs without being asked for."""
    params: dict[str, object] = {
        "model": settings.model,
        "runtime": settings.runtime,
        "precision": settings.precision,
    }
    if settings.weights is not None:
        params["weights"] = _absolute(settings.weights)
    return StepRecord(
        key=StepKey(DEFAULT_PIPELINE, "0"),
        type="classifier",
        steps=({"id": 0, "type": "classifier", "params": params, "next_step": None},),
        replicas=settings.replicas,
    )


def open_data_dir(directory: Path) -> IO[str]:
    """Make the data directory and take possession of it, until the returned file is closed.

    Raises:
        StartupError: it cannot be written, or another dispatcher has it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / _LOCK_FILE).open("w")
    except OSError as exc:
        raise StartupError(
            f"cannot write to the data directory {directory}: {exc.strerror}"
        ) from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.close()
        raise StartupError(f"another dispatcher uses the data directory {directory}") from exc
    return file


def _absolute(weights: str) -> str:
    """Return a path that replicas find from their own working folder; keep the keywords."""
    return weights if weights in ("DEFAULT", "random") else str(Path(weights).resolve())
