"""The controller of EndpointSlices: which pods stand behind each Service."""

from typing import Final

from tests.kubernetes_api.deployments import is_ready
from tests.kubernetes_api.kinds import BY_NAME, Document, is_leaving, name_of, namespace_of
from tests.kubernetes_api.selectors import matches_labels
from tests.kubernetes_api.store import Store

_SERVICE: Final = BY_NAME["Service"]
_SLICE: Final = BY_NAME["EndpointSlice"]
_MANAGER: Final = "endpointslice-controller.k8s.io"
_MAX_ENDPOINTS: Final = 100
"""Of one slice; more make another."""
_MAX_PREFIX: Final = 57


def reconcile_services(store: Store) -> None:
    """Keep the slices of each Service like its pods are."""
    pods = store.all(BY_NAME["Pod"])
    for service in store.all(_SERVICE):
        selector = service["spec"].get("selector")
        if not selector or is_leaving(service):
            continue
        chosen = [
            pod
            for pod in pods
            if namespace_of(pod) == namespace_of(service)
            and matches_labels(pod, selector)
            and pod.get("status", {}).get("podIP")
            and pod["status"].get("phase") in ("Pending", "Running")
        ]
        _write(store, service, chosen)


def _write(store: Store, service: Document, pods: list[Document]) -> None:
    groups = [pods[start : start + _MAX_ENDPOINTS] for start in range(0, len(pods), _MAX_ENDPOINTS)]
    wanted = {}
    for number, group in enumerate(groups or [[]]):
        slice_ = _slice(service, number, group)
        wanted[name_of(slice_)] = slice_
    uid = service["metadata"]["uid"]
    namespace = namespace_of(service)
    existing = {
        name_of(one): one
        for one in store.all(_SLICE, namespace)
        if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences") or ())
    }
    for name in existing.keys() - wanted.keys():
        store.delete(_SLICE, namespace, name)
    for name, slice_ in wanted.items():
        if name not in existing:
            if store.find(_SLICE, namespace, name) is None:  # else it is an older Service's
                store.add(_SLICE, slice_, manager=_MANAGER)
        elif any(existing[name][key] != slice_[key] for key in ("endpoints", "ports")):
            _replace(store, existing[name], slice_)


def _replace(store: Store, older: Document, newer: Document) -> None:
    store.replace(
        _SLICE,
        namespace_of(older),
        name_of(older),
        lambda before: {**newer, "metadata": before["metadata"]},
    )


def _slice(service: Document, number: int, pods: list[Document]) -> Document:
    prefix = name_of(service)[:_MAX_PREFIX]
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": f"{prefix}-{number:05d}",
            "namespace": namespace_of(service),
            "labels": {
                **(service["metadata"].get("labels") or {}),
                "kubernetes.io/service-name": name_of(service),
                "endpointslice.kubernetes.io/managed-by": _MANAGER,
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": name_of(service),
                    "uid": service["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        # The real server says null where there is none.
        "endpoints": [_endpoint(service, pod) for pod in pods] or None,
        "ports": [_port(port, pods[0]) for port in service["spec"]["ports"]] if pods else None,
    }


def _endpoint(service: Document, pod: Document) -> Document:
    is_serving = is_ready(pod)
    is_shown = service["spec"].get("publishNotReadyAddresses", False)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": is_shown or (is_serving and not is_leaving(pod)),
            "serving": is_serving,
            "terminating": is_leaving(pod),
        },
        "nodeName": "node-1",
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": pod["metadata"]["uid"],
        },
    }


def _port(port: Document, pod: Document) -> Document:
    wanted = port["targetPort"]
    if isinstance(wanted, str):
        numbers = {
            named.get("name"): named["containerPort"]
            for container in pod["spec"]["containers"]
            for named in container.get("ports") or ()
        }
        wanted = numbers.get(wanted)
    return {"name": port.get("name", ""), "port": wanted, "protocol": port["protocol"]}
