"""Records as a cluster has them, and the EndpointSlices of their Services."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dispatcher.topology.kubernetes.kinds import (
    Conditions,
    ConfigMap,
    Endpoint,
    EndpointPort,
    EndpointSlice,
    ManagedFields,
    Metadata,
    TargetRef,
)

NAMESPACE = "conveyor-steps"


def config_of(pipeline_id: str = "birds", step_id: str = "0", **changes: object) -> dict[str, Any]:
    """What a record says; ``...`` takes a key away."""
    config = {
        "pipeline_id": pipeline_id,
        "step_id": step_id,
        "steps": [
            {"id": "0", "type": "classifier", "params": {"top_k": 3}, "next_step": "1"},
            {"id": "1", "type": "classifier", "params": {}, "next_step": None},
        ],
        "service": f"http://{pipeline_id}-step-{step_id}.{NAMESPACE}.svc:5000",
        "endpoints": [],
        "replicas": 2,
    }
    return {key: value for key, value in (config | changes).items() if value is not ...}


def labels_of(pipeline_id: str = "birds", step_id: str = "0") -> dict[str, str]:
    """What a record, its Service and that one's slices are found by."""
    return {
        "app": "nn-service",
        "pipeline_id": pipeline_id,
        "step_id": step_id,
        "step_type": "classifier",
    }


def document_of(
    pipeline_id: str = "birds",
    step_id: str = "0",
    *,
    text: str | None = None,
    labels: Mapping[str, str] | None = None,
    **changes: object,
) -> dict[str, Any]:
    """A ConfigMap as one writes it."""
    config = yaml.safe_dump(config_of(pipeline_id, step_id, **changes), sort_keys=False)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{pipeline_id}-step-{step_id}",
            "namespace": NAMESPACE,
            "labels": {**labels_of(pipeline_id, step_id), **(labels or {})},
        },
        "data": {"PIPELINE_CONFIG": config if text is None else text},
    }


def config_map_of(
    pipeline_id: str = "birds",
    step_id: str = "0",
    *,
    version: str = "1",
    uid: str = "u1",
    name: str | None = None,
    data: Mapping[str, str] | None = None,
    binary_data: Mapping[str, str] | None = None,
    managers: Sequence[ManagedFields] = (),
    **changes: Any,
) -> ConfigMap:
    """A ConfigMap as discovery reads it."""
    document = document_of(pipeline_id, step_id, **changes)
    return ConfigMap(
        metadata=Metadata(
            name=document["metadata"]["name"] if name is None else name,
            uid=uid,
            resource_version=version,
            labels=document["metadata"]["labels"],
            managed_fields=tuple(managers),
        ),
        data=document["data"] if data is None else dict(data),
        binary_data=None if binary_data is None else dict(binary_data),
    )


def endpoint_of(*addresses: str, ready: bool | None = True, pod: str | None = None) -> Endpoint:
    """One pod."""
    target = None if pod is None else TargetRef(kind="Pod", uid=pod)
    return Endpoint(addresses=addresses, conditions=Conditions(ready=ready), target_ref=target)


def slice_of(
    *endpoints: Endpoint,
    name: str = "slice-1",
    step_id: str = "0",
    service: str = "birds-step-0",
    address_type: str = "IPv4",
    ports: Sequence[EndpointPort] = (EndpointPort(name="http", port=5000, protocol="TCP"),),
) -> EndpointSlice:
    """Some pods of a Service."""
    labels = {**labels_of(step_id=step_id), "kubernetes.io/service-name": service}
    return EndpointSlice(
        metadata=Metadata(name=name, uid=name, resource_version="1", labels=labels),
        address_type=address_type,
        endpoints=endpoints,
        ports=tuple(ports),
    )
