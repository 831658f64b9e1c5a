"""Puts the rooms together: the only place that knows which backend a setting means."""

import fcntl
import random
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from dispatcher.blobs.base import BlobStore
from dispatcher.blobs.directory import DirectoryBlobStore
from dispatcher.errors import StartupError
from dispatcher.execution.attempts import Attempts
from dispatcher.execution.collector import Collector
from dispatcher.execution.consumer import Consumer
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.execution.stage_cache import StageCache
from dispatcher.intake.cache import ResultCache
from dispatcher.intake.coalescing import Coalescing
from dispatcher.intake.submission import Intake
from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.operations import DEFAULT_PIPELINE, OPERATIONS_PIPELINE
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
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.base import Discovery, Launcher
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.environment import LocalLimits
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.records import RecordDirectory

DEFAULT_STEP: Final = StepKey(DEFAULT_PIPELINE, "0")
"""Its pool makes the service ready."""
_LOCK_FILE: Final = "lock"
_RECORDS_FOLDER: Final = "topology"


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
    collector: Collector
    discovery: Discovery
    launcher: Launcher
    admin: PipelineAdmin


def build_services(settings: Settings) -> Services:
    """Build all services; nothing is started and no file is touched."""
    lifecycle = Lifecycle()
    metrics = Metrics()
    figures = Figures(metrics)
    queue = MemoryJobQueue(capacity=settings.queue_capacity)
    blobs = DirectoryBlobStore(settings.data_dir / "blobs")
    collector = Collector(blobs=blobs)
    results = MemoryResultStore(
        retention_s=settings.result_retention_s,
        retention_count=settings.result_retention_count,
        on_dropped=collector.collect,
    )
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
        blobs=blobs,
        attempts=Attempts(pools=pools, policy=RetryPolicy(), jitter=random.Random()),
        cache=StageCache(),
    )
    consumer = Consumer(
        queue=queue,
        results=results,
        executor=executor,
        pipelines=pipelines,
        pools=pools,
        figures=figures,
        on_ended=intake.settle,
        on_void=collector.collect,
    )
    records = RecordDirectory(settings.data_dir / _RECORDS_FOLDER)
    launcher = LocalLauncher(
        [default_record(settings), *operations_records(settings)],
        records=records,
        client=client,
        limits=LocalLimits(
            model_cache_dir=(settings.data_dir / "models").resolve(),
            records_dir=(settings.data_dir / _RECORDS_FOLDER).resolve(),
            max_batch_size=settings.max_batch_size,
        ),
    )
    admin = PipelineAdmin(
        launcher,
        store=pipelines,
        model_files=ModelFiles(settings.models_dir or settings.data_dir / "user-models"),
        max_replicas=settings.max_local_replicas,
        drain_timeout_s=settings.drain_timeout_s,
        is_draining=lambda: lifecycle.is_draining,
        is_idle=lambda pipeline_id: not queue.pending(pipeline_id),
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
        collector=collector,
        discovery=records,
        launcher=launcher,
        admin=admin,
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
        key=DEFAULT_STEP,
        type="classifier",
        steps=({"id": 0, "type": "classifier", "params": params, "next_step": None},),
        replicas=settings.replicas,
    )


def operations_records(settings: Settings) -> list[StepRecord]:
    """Return the record of the pool that runs all cheap step types; none when it is off."""
    record = StepRecord(
        key=StepKey(OPERATIONS_PIPELINE, "0"),
        type="operations",
        steps=({"id": 0, "type": "operations", "params": {}, "next_step": None},),
        replicas=settings.operation_replicas,
    )
    return [record] if record.replicas else []


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
