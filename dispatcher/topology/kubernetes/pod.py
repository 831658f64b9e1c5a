"""The pod of a step's replica: the same for every step, but for what its record says."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from kubernetes.aio.client import (
    V1ConfigMapProjection,
    V1Container,
    V1ContainerPort,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1HostPathVolumeSource,
    V1HTTPGetAction,
    V1KeyToPath,
    V1LabelSelector,
    V1Lifecycle,
    V1LifecycleHandler,
    V1ObjectMeta,
    V1PodSpec,
    V1PodTemplateSpec,
    V1Probe,
    V1ProjectedVolumeSource,
    V1SleepAction,
    V1TopologySpreadConstraint,
    V1Volume,
    V1VolumeMount,
    V1VolumeProjection,
)

from dispatcher.topology.configmap import APP_LABEL, DATA_KEY, StepRecord, assignment_of
from dispatcher.topology.environment import tracing_environment
from dispatcher.topology.kubernetes.labels import pod_labels, step_selector
from dispatcher.topology.kubernetes.permissions import StepPolicy
from dispatcher.topology.kubernetes.resources import (
    CACHE_SIZE,
    TMP_SIZE,
    resources_of,
    threads_of,
)
from dispatcher.topology.kubernetes.security_context import (
    container_security_context,
    pod_security_context,
)

CONTAINER: Final = "step"
PORT: Final = 5000
PORT_NAME: Final = "http"
_RECORDS_DIR: Final = "/etc/conveyor/records"
_CACHE_DIR: Final = "/var/cache/conveyor"
_PRE_STOP_S: Final = 5
"""How long a replica still works after it began to go: endpoints and records follow by then."""
_GRACE_S: Final = 25
"""Until it is killed: the pause before, ten seconds in which it answers what it has, and more."""
_START_PROBES: Final = 300
"""Of two seconds each: loading and converting a model may take minutes on a busy node."""


def pod_template(
    record: StepRecord, *, siblings: Sequence[str], is_entry: bool, policy: StepPolicy
) -> V1PodTemplateSpec:
    """Return what every replica of a step is.

    Args:
        record: of the step.
        siblings: names of all records of the pipeline, its own included.
        is_entry: whether pictures enter the pipeline here.
        policy: what the administrator decided.

    Raises:
        InvalidPipelineError: the client's resources contradict each other.
    """
    folders = {name: policy.volumes[name] for name in record.volumes}
    return V1PodTemplateSpec(
        metadata=V1ObjectMeta(labels=pod_labels(record, is_entry=is_entry)),
        spec=V1PodSpec(
            automount_service_account_token=False,
            enable_service_links=False,
            security_context=pod_security_context(),
            termination_grace_period_seconds=_GRACE_S,
            topology_spread_constraints=[_spread(record)],
            containers=[_container(record, folders=folders, policy=policy)],
            volumes=[
                V1Volume(name="tmp", empty_dir=V1EmptyDirVolumeSource(size_limit=TMP_SIZE)),
                V1Volume(name="cache", empty_dir=V1EmptyDirVolumeSource(size_limit=CACHE_SIZE)),
                V1Volume(name="records", projected=_records(siblings)),
                *(_host_folder(name, path) for name, path in folders.items()),
            ],
        ),
    )


def _container(
    record: StepRecord, *, folders: Mapping[str, str], policy: StepPolicy
) -> V1Container:
    return V1Container(
        name=CONTAINER,
        image=policy.image,
        image_pull_policy="IfNotPresent",
        ports=[V1ContainerPort(name=PORT_NAME, container_port=PORT, protocol="TCP")],
        env=[V1EnvVar(name=name, value=value) for name, value in _environment(record, policy)],
        resources=resources_of(record),
        security_context=container_security_context(),
        # Answered in all cases while the replica lives; neither asks anything of others.
        startup_probe=_probe("/readyz", period_s=2, failures=_START_PROBES),
        readiness_probe=_probe("/readyz", period_s=5, failures=2),
        liveness_probe=_probe("/livez", period_s=10, failures=6),
        lifecycle=V1Lifecycle(
            pre_stop=V1LifecycleHandler(sleep=V1SleepAction(seconds=_PRE_STOP_S))
        ),
        # The last line that it wrote says why it cannot start.
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            V1VolumeMount(name="tmp", mount_path="/tmp"),
            V1VolumeMount(name="cache", mount_path=_CACHE_DIR),
            V1VolumeMount(name="records", mount_path=_RECORDS_DIR, read_only=True),
            *(
                V1VolumeMount(name=_volume_name(name), mount_path=path, read_only=True)
                for name, path in folders.items()
            ),
        ],
    )


def _environment(record: StepRecord, policy: StepPolicy) -> Sequence[tuple[str, str]]:
    """Return what a replica is told: the variables of reference system (a), and its limits."""
    # Kubernetes would put a variable in place of $(NAME).
    assignment = json.dumps(assignment_of(record)).replace("$", r"\u0024")
    return (
        (DATA_KEY, assignment),
        ("POD_NAMESPACE", policy.namespace),
        ("SERVICE_PORT", str(PORT)),
        ("APP_LABEL", APP_LABEL),
        ("STEP_THREADS", str(threads_of(record))),
        ("MAX_BATCH_SIZE", str(policy.max_batch_size)),
        ("MODEL_CACHE_DIR", _CACHE_DIR),
        ("RECORDS_DIR", _RECORDS_DIR),
        ("HOME", "/tmp"),
        *tracing_environment(policy.traces_url).items(),
    )


def _probe(path: str, *, period_s: int, failures: int) -> V1Probe:
    return V1Probe(
        http_get=V1HTTPGetAction(path=path, port=PORT_NAME),
        period_seconds=period_s,
        # A replica that computes on all its processors may take its time.
        timeout_seconds=5,
        failure_threshold=failures,
    )


def _records(siblings: Sequence[str]) -> V1ProjectedVolumeSource:
    """Return the records of the pipeline as files: a replica knows the active steps by them.

    One that is removed takes its file along, so a step is active while its record exists; and no
    replica needs a token for the API server.
    """
    return V1ProjectedVolumeSource(
        sources=[
            V1VolumeProjection(
                config_map=V1ConfigMapProjection(
                    name=name,
                    items=[V1KeyToPath(key=DATA_KEY, path=f"{name}.yaml")],
                    optional=True,
                )
            )
            for name in siblings
        ]
    )


def _host_folder(name: str, path: str) -> V1Volume:
    return V1Volume(
        name=_volume_name(name),
        host_path=V1HostPathVolumeSource(path=path, type="Directory"),
    )


def _volume_name(name: str) -> str:
    return f"host-{name}"


def _spread(record: StepRecord) -> V1TopologySpreadConstraint:
    """Return the wish that replicas of a step run on different nodes where there are some."""
    return V1TopologySpreadConstraint(
        max_skew=1,
        topology_key="kubernetes.io/hostname",
        when_unsatisfiable="ScheduleAnyway",
        label_selector=V1LabelSelector(match_labels=step_selector(record)),
    )
