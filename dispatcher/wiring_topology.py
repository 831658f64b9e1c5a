"""Puts together what finds replicas and what makes them run, as ``--topology`` says."""

from pathlib import Path
from typing import Final

from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.operations import DEFAULT_PIPELINE, OPERATIONS_PIPELINE
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.settings import Settings
from dispatcher.telemetry.metrics import Metrics
from dispatcher.telemetry.tracing import export_url
from dispatcher.topology.base import Topology
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.environment import LocalLimits
from dispatcher.topology.files import FileLauncher
from dispatcher.topology.local import LocalLauncher
from dispatcher.topology.model_files import ModelFiles
from dispatcher.topology.records import RecordDirectory

DEFAULT_STEP: Final = StepKey(DEFAULT_PIPELINE, "0")
"""Its pool makes the service ready on one machine."""
_RECORDS_FOLDER: Final = "topology"


def build_topology(
    settings: Settings, *, client: ReplicaClient, pools: PoolDirectory, metrics: Metrics
) -> Topology:
    """Build a topology; nothing is started and no file is touched.

    Raises:
        StartupError: a setting cannot be.
    """
    if settings.topology == "kubernetes":
        # Loaded only now: a cluster's client takes a second and 80 MB, to spare on one machine.
        from dispatcher.wiring_cluster import build_cluster_topology  # noqa: PLC0415

        return build_cluster_topology(settings, metrics=metrics)
    if settings.records_dir is not None:
        return _replicas_of_others(settings.records_dir, pools=pools)
    return _one_machine(settings, client=client)


def _replicas_of_others(directory: Path, *, pools: PoolDirectory) -> Topology:
    records = RecordDirectory(directory)

    def count_ready(step: str) -> int:
        return sum(replica.is_ready for replica in pools.get(step).replicas)

    return Topology(
        discovery=records,
        launcher=FileLauncher(records, count_ready=count_ready),
        model_files=ModelFiles(None),
        awaited_replicas=0,
        may_be_scaled=False,
    )


def _one_machine(settings: Settings, *, client: ReplicaClient) -> Topology:
    records = RecordDirectory(settings.data_dir / _RECORDS_FOLDER)
    return Topology(
        discovery=records,
        launcher=LocalLauncher(
            [*default_records(settings), *operations_records(settings)],
            records=records,
            client=client,
            limits=LocalLimits(
                model_cache_dir=(settings.data_dir / "models").resolve(),
                records_dir=(settings.data_dir / _RECORDS_FOLDER).resolve(),
                max_batch_size=settings.max_batch_size,
                traces_url=export_url(settings),
            ),
        ),
        model_files=ModelFiles(settings.models_dir or settings.data_dir / "user-models"),
        awaited_replicas=settings.replicas,
    )


def default_records(settings: Settings) -> list[StepRecord]:
    """Return the record of the pipeline that runs without being asked for; none when it is off."""
    params: dict[str, object] = {
        "model": settings.model,
        "runtime": settings.runtime,
        "precision": settings.precision,
    }
    if settings.weights is not None:
        params["weights"] = _absolute(settings.weights)
    record = StepRecord(
        key=DEFAULT_STEP,
        type="classifier",
        steps=({"id": 0, "type": "classifier", "params": params, "next_step": None},),
        replicas=settings.replicas,
        replica_range=_range_of(settings),
    )
    return [record] if record.replicas else []


def operations_records(settings: Settings) -> list[StepRecord]:
    """Return the record of the pool that runs all cheap step types; none when it is off."""
    record = StepRecord(
        key=StepKey(OPERATIONS_PIPELINE, "0"),
        type="operations",
        steps=({"id": 0, "type": "operations", "params": {}, "next_step": None},),
        replicas=settings.operation_replicas,
    )
    return [record] if record.replicas else []


def _range_of(settings: Settings) -> ReplicaRange | None:
    most = settings.replicas if settings.max_replicas is None else settings.max_replicas
    return ReplicaRange(settings.replicas, most) if most > settings.replicas else None


def _absolute(weights: str) -> str:
    """Return a path that replicas find from their own working folder; keep the keywords."""
    return weights if weights in ("DEFAULT", "random") else str(Path(weights).resolve())
