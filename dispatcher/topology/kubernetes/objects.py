"""The objects of a step in a cluster, typed: a pure decision, like the record that it follows.

::

    ConfigMap ◀──owns── Service, Deployment, PodDisruptionBudget        all named like the record

The ConfigMap owns the others, so that the cluster itself removes them when it goes. Names are
those of records: a pipeline's id and a step's, 43 characters at most, valid wherever they stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from kubernetes.aio.client import (
    V1ConfigMap,
    V1Deployment,
    V1DeploymentSpec,
    V1DeploymentStrategy,
    V1LabelSelector,
    V1ObjectMeta,
    V1OwnerReference,
    V1PodDisruptionBudget,
    V1PodDisruptionBudgetSpec,
    V1RollingUpdateDeployment,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
)

from dispatcher.errors import InvalidPipelineError
from dispatcher.topology.configmap import DATA_KEY, StepRecord, config_text
from dispatcher.topology.kubernetes.kinds import Metadata
from dispatcher.topology.kubernetes.labels import draft_labels, object_labels, step_selector
from dispatcher.topology.kubernetes.permissions import StepPolicy, check_permitted
from dispatcher.topology.kubernetes.pod import PORT, PORT_NAME, pod_template
from dispatcher.topology.kubernetes.validation import MAX_CONFIG_BYTES

ObjectT = TypeVar("ObjectT", V1Service, V1Deployment, V1PodDisruptionBudget)


@dataclass(frozen=True, slots=True)
class StepObjects:
    """All that a step is in a cluster."""

    config_map: V1ConfigMap
    """Its record, as a draft: discovery sees it when ``app`` is put right."""
    service: V1Service
    deployment: V1Deployment
    disruption_budget: V1PodDisruptionBudget


def objects_of(
    records: Sequence[StepRecord], *, creation: str, policy: StepPolicy
) -> list[StepObjects]:
    """Return the objects of a pipeline, step by step.

    Args:
        records: one for each step, in the order in which pictures pass.
        creation: tells objects of this request from those of any other.
        policy: what the administrator decided.

    Raises:
        InvalidPipelineError: a step asks for what cannot be, or is not allowed.
    """
    check_permitted(records, policy)
    siblings = [record.name for record in records]
    return [
        StepObjects(
            config_map=_config_map(record, creation=creation, policy=policy),
            service=_service(
                record, creation=creation, has_node_port=policy.has_node_port and not position
            ),
            deployment=_deployment(
                record,
                creation=creation,
                siblings=siblings,
                is_entry=not position,
                policy=policy,
            ),
            disruption_budget=_disruption_budget(record, creation=creation),
        )
        for position, record in enumerate(records)
    ]


def owned(thing: ObjectT, config_map: Metadata) -> ObjectT:
    """Return an object that goes when a ConfigMap, which exists, does."""
    owner = V1OwnerReference(
        api_version="v1",
        kind="ConfigMap",
        name=config_map.name,
        uid=config_map.uid,
        controller=False,
        block_owner_deletion=False,  # would need rights over the owner's finalizers
    )
    metadata = thing.metadata.model_copy(update={"owner_references": [owner]})
    return thing.model_copy(update={"metadata": metadata})


def service_url(name: str, *, namespace: str) -> str:
    """Return where a step's Service answers within the cluster."""
    return f"http://{name}.{namespace}.svc:{PORT}"


def record_text(record: StepRecord, *, service: str, namespace: str) -> str:
    """Return what stands in the ConfigMap of a step.

    Args:
        record: of the step.
        service: name of its Service; empty when it has none of its own.
        namespace: where that is.

    Raises:
        InvalidPipelineError: it is longer than discovery would read.
    """
    url = service_url(service, namespace=namespace) if service else None
    text = config_text(replace(record, endpoints=(), ports=()), service=url)
    if len(text.encode()) > MAX_CONFIG_BYTES:
        raise InvalidPipelineError(
            f"step {record.key.step_id}: the pipeline's record would be larger than "
            f"{MAX_CONFIG_BYTES} bytes."
        )
    return text


def _config_map(record: StepRecord, *, creation: str, policy: StepPolicy) -> V1ConfigMap:
    return V1ConfigMap(
        api_version="v1",
        kind="ConfigMap",
        metadata=V1ObjectMeta(name=record.name, labels=draft_labels(record, creation=creation)),
        data={
            DATA_KEY: record_text(record, service=record.name, namespace=policy.namespace),
        },
    )


def _service(record: StepRecord, *, creation: str, has_node_port: bool) -> V1Service:
    return V1Service(
        api_version="v1",
        kind="Service",
        metadata=V1ObjectMeta(name=record.name, labels=object_labels(record, creation=creation)),
        spec=V1ServiceSpec(
            type="NodePort" if has_node_port else "ClusterIP",
            selector=step_selector(record),
            ports=[V1ServicePort(name=PORT_NAME, port=PORT, target_port=PORT_NAME, protocol="TCP")],
        ),
    )


def _deployment(
    record: StepRecord,
    *,
    creation: str,
    siblings: Sequence[str],
    is_entry: bool,
    policy: StepPolicy,
) -> V1Deployment:
    return V1Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=V1ObjectMeta(name=record.name, labels=object_labels(record, creation=creation)),
        spec=V1DeploymentSpec(
            replicas=record.replicas,
            revision_history_limit=2,
            selector=V1LabelSelector(match_labels=step_selector(record)),
            strategy=V1DeploymentStrategy(
                type="RollingUpdate",
                # There may be no GPU to spare for one more.
                rolling_update=V1RollingUpdateDeployment(
                    max_surge=0 if record.gpu else 1, max_unavailable=1 if record.gpu else 0
                ),
            ),
            template=pod_template(record, siblings=siblings, is_entry=is_entry, policy=policy),
        ),
    )


def _disruption_budget(record: StepRecord, *, creation: str) -> V1PodDisruptionBudget:
    return V1PodDisruptionBudget(
        api_version="policy/v1",
        kind="PodDisruptionBudget",
        metadata=V1ObjectMeta(name=record.name, labels=object_labels(record, creation=creation)),
        spec=V1PodDisruptionBudgetSpec(
            # One at a time, also where there is only one: a node can always be drained.
            max_unavailable=1,
            selector=V1LabelSelector(match_labels=step_selector(record)),
            unhealthy_pod_eviction_policy="AlwaysAllow",
        ),
    )
