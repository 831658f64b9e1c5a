"""How the pipelines of a cluster are: a pure reading of its objects, as the API tells it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.topology.blueprint import in_order
from dispatcher.topology.configmap import StepRecord
from dispatcher.topology.kubernetes.objects import service_url
from dispatcher.topology.kubernetes.observed import (
    Deployment,
    Event,
    ObjectMetadata,
    Pod,
    Service,
)
from dispatcher.topology.kubernetes.pod import PORT
from dispatcher.topology.kubernetes.pods import trouble_of
from dispatcher.topology.status import (
    Entry,
    PipelineStatus,
    ReplicaCounts,
    StepStatus,
    pipeline_state,
    step_status,
)

_ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cluster has of all steps, at about one moment."""

    records: Sequence[StepRecord]
    deployments: Mapping[StepKey, Deployment] = field(default_factory=dict)
    services: Mapping[StepKey, Service] = field(default_factory=dict)
    pods: Mapping[StepKey, Sequence[Pod]] = field(default_factory=dict)
    events: Sequence[Event] = ()


def key_of(metadata: ObjectMetadata) -> StepKey:
    """Return the step that an object belongs to, as its labels say."""
    return StepKey(metadata.label("pipeline_id"), metadata.label("step_id"))


def pods_by_step(pods: Iterable[Pod]) -> Mapping[StepKey, Sequence[Pod]]:
    """Return pods by the step that each is a replica of."""
    grouped: defaultdict[StepKey, list[Pod]] = defaultdict(list)
    for pod in pods:
        grouped[key_of(pod.metadata)].append(pod)
    return grouped


def pipeline_statuses(seen: Seen, *, namespace: str) -> list[PipelineStatus]:
    """Return all pipelines: those that are built in first, then in the order they were made."""
    grouped: defaultdict[str, list[StepRecord]] = defaultdict(list)
    for record in seen.records:
        grouped[record.key.pipeline_id].append(record)
    found = [_pipeline(in_order(steps), seen, namespace) for steps in grouped.values()]
    return sorted(found, key=lambda pipeline: (pipeline.created_at or "", pipeline.pipeline_id))


def _pipeline(records: Sequence[StepRecord], seen: Seen, namespace: str) -> PipelineStatus:
    first = records[0]
    steps = [_step(record, seen) for record in records]
    service = seen.services.get(first.key)
    name = first.name if service is None else service.metadata.name
    url = service_url(name, namespace=namespace)
    return PipelineStatus(
        pipeline_id=first.key.pipeline_id,
        name=first.pipeline_name,
        state=pipeline_state(
            (step.state for step in steps), is_leaving=any(each.is_leaving for each in records)
        ),
        steps=steps,
        entry=Entry(
            step_id=first.key.step_id,
            url=url,
            process_url=f"{url}/process",
            node_port=_node_port(service),
        ),
        created_at=first.created_at or None,
    )


def _step(record: StepRecord, seen: Seen) -> StepStatus:
    deployment, pods = seen.deployments.get(record.key), seen.pods.get(record.key, ())
    desired = record.replicas if deployment is None else deployment.spec.replicas
    bounds = record.replica_range or ReplicaRange(desired, desired)
    counts = ReplicaCounts(
        desired=desired,
        running=sum(pod.status.phase not in _ENDED for pod in pods),
        ready=sum(pod.is_ready for pod in pods),
        min=bounds.min,
        max=bounds.max,
    )
    trouble = None
    if deployment is None or counts.ready < counts.desired:
        trouble = trouble_of(deployment, pods, seen.events)
    is_final = trouble is not None and trouble.is_final
    return step_status(
        record,
        counts,
        endpoints=[_url(pod) for pod in pods if _answers(pod)],
        is_refused=is_final,
        trouble=None if trouble is None else trouble.reason,
    )


def _node_port(service: Service | None) -> int | None:
    ports = () if service is None else service.spec.ports or ()
    return next((port.node_port for port in ports if port.node_port), None)


def _answers(pod: Pod) -> bool:
    return pod.status.phase == "Running" and bool(pod.status.pod_ip)


def _url(pod: Pod) -> str:
    address = pod.status.pod_ip
    return f"http://[{address}]:{PORT}" if ":" in address else f"http://{address}:{PORT}"
