"""The controllers of Deployments and ReplicaSets: from what is wanted to pods."""

import hashlib
import json
from typing import Any, Final

from tests.kubernetes_api.admission import admit_new
from tests.kubernetes_api.events import note_event
from tests.kubernetes_api.kinds import (
    BY_NAME,
    Document,
    Kind,
    is_leaving,
    name_of,
    namespace_of,
)
from tests.kubernetes_api.refusals import Refusal
from tests.kubernetes_api.store import Store, now

_DEPLOYMENT: Final = BY_NAME["Deployment"]
_REPLICA_SET: Final = BY_NAME["ReplicaSet"]
_POD: Final = BY_NAME["Pod"]
_HASH_LABEL: Final = "pod-template-hash"
_MAX_PREFIX: Final = 58
"""Of a generated name, so that with five more characters it is a label."""
_MANAGER: Final = "kube-controller-manager"
_TIMES: Final = ("lastTransitionTime", "lastUpdateTime", "startedAt")


def reconcile_deployments(store: Store) -> None:
    """Give each Deployment one ReplicaSet of its template, and take the older ones' pods."""
    for deployment in store.all(_DEPLOYMENT):
        if is_leaving(deployment):
            continue
        current = _replica_set_name(deployment)
        owned = owned_by(store, _REPLICA_SET, deployment)
        if current not in map(name_of, owned):
            store.add(_REPLICA_SET, _new_replica_set(deployment, current), manager=_MANAGER)
        for replica_set in owned:
            wanted = deployment["spec"]["replicas"] if name_of(replica_set) == current else 0
            if replica_set["spec"]["replicas"] != wanted:
                _set_spec(store, replica_set, wanted)
        _tell_deployment(store, deployment)


def reconcile_replica_sets(store: Store) -> bool:
    """Make and remove pods; say whether one could not be made."""
    is_refused = False
    for replica_set in store.all(_REPLICA_SET):
        if is_leaving(replica_set):
            continue
        pods = [pod for pod in owned_by(store, _POD, replica_set) if not is_leaving(pod)]
        wanted = replica_set["spec"]["replicas"]
        refusal = None
        for _ in range(wanted - len(pods)):
            refusal = _make_pod(store, replica_set)
            if refusal is not None:
                is_refused = True
                break
        surplus = sorted(pods, key=lambda pod: (is_ready(pod), name_of(pod)))
        for pod in surplus[: max(0, len(pods) - wanted)]:
            grace_s = pod["spec"].get("terminationGracePeriodSeconds", 30)
            store.delete(_POD, namespace_of(pod), name_of(pod), grace_s=grace_s)
        _tell_replica_set(store, replica_set, refusal)
    return is_refused


def owned_by(store: Store, kind: Kind, owner: Document) -> list[Document]:
    """Return the objects of a kind that an object owns."""
    uid = owner["metadata"]["uid"]
    return [
        document
        for document in store.all(kind, namespace_of(owner))
        if any(one["uid"] == uid for one in document["metadata"].get("ownerReferences") or ())
    ]


def is_ready(pod: Document) -> bool:
    """Say whether a pod takes work."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _replica_set_name(deployment: Document) -> str:
    return f"{name_of(deployment)}-{_hash(deployment)}"


def _hash(deployment: Document) -> str:
    template = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return hashlib.sha256(template.encode()).hexdigest()[:10]


def _new_replica_set(deployment: Document, name: str) -> Document:
    spec = deployment["spec"]
    mark = {_HASH_LABEL: _hash(deployment)}
    template = spec["template"]
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **mark}
    selector = {"matchLabels": {**(spec["selector"].get("matchLabels") or {}), **mark}}
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": namespace_of(deployment),
            "labels": labels,
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {
            "replicas": spec["replicas"],
            "selector": selector,
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
        "status": {},
    }


def _owner(document: Document) -> Document:
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "name": name_of(document),
        "uid": document["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _make_pod(store: Store, replica_set: Document) -> Refusal | None:
    template = replica_set["spec"]["template"]
    metadata = {key: template["metadata"].get(key) or {} for key in ("labels", "annotations")}
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            **metadata,
            "generateName": f"{name_of(replica_set)}-"[-_MAX_PREFIX:].lstrip("-."),
            "ownerReferences": [_owner(replica_set)],
        },
        "spec": template["spec"],
    }
    namespace = namespace_of(replica_set)
    try:
        admitted = admit_new(store, _POD, namespace, pod, warn=lambda _: None)
    except Refusal as exc:
        message = f"Error creating: {exc.message}"
        note_event(store, replica_set, "FailedCreate", message, component="replicaset-controller")
        return exc
    store.add(_POD, admitted, manager=_MANAGER)
    return None


def _set_spec(store: Store, replica_set: Document, replicas: int) -> None:
    def change(before: Document) -> Document:
        return {**before, "spec": {**before["spec"], "replicas": replicas}}

    store.replace(_REPLICA_SET, namespace_of(replica_set), name_of(replica_set), change)


def _counts(pods: list[Document]) -> dict[str, int]:
    ready = sum(map(is_ready, pods))
    counts = {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
    return {key: count for key, count in counts.items() if count or key == "replicas"}


def _tell_replica_set(store: Store, replica_set: Document, refusal: Refusal | None) -> None:
    pods = [pod for pod in owned_by(store, _POD, replica_set) if not is_leaving(pod)]
    status: Document = {
        **_counts(pods),
        "observedGeneration": replica_set["metadata"]["generation"],
    }
    if refusal is not None:
        status["conditions"] = [_condition("ReplicaFailure", True, "FailedCreate", refusal.message)]
    set_status(store, _REPLICA_SET, replica_set, status)


def _tell_deployment(store: Store, deployment: Document) -> None:
    replica_sets = owned_by(store, _REPLICA_SET, deployment)
    pods = [
        pod
        for replica_set in replica_sets
        for pod in owned_by(store, _POD, replica_set)
        if not is_leaving(pod)
    ]
    wanted = deployment["spec"]["replicas"]
    counts: Document = _counts(pods)
    missing = max(0, wanted - counts.get("readyReplicas", 0))
    is_available = missing == 0
    conditions = [
        _condition(
            "Available",
            is_available,
            "MinimumReplicasAvailable" if is_available else "MinimumReplicasUnavailable",
            f"Deployment {'has' if is_available else 'does not have'} minimum availability.",
        ),
        _condition(
            "Progressing",
            True,
            "NewReplicaSetAvailable" if is_available else "ReplicaSetUpdated",
            "ReplicaSet is progressing.",
        ),
    ]
    conditions += [
        condition
        for replica_set in replica_sets
        for condition in replica_set["status"].get("conditions") or ()
    ]
    status = {
        **counts,
        "observedGeneration": deployment["metadata"]["generation"],
        "updatedReplicas": len(pods),
        "conditions": conditions,
    }
    if missing:
        status["unavailableReplicas"] = missing
    set_status(store, _DEPLOYMENT, deployment, status)


def _condition(name: str, is_so: bool, reason: str, message: str) -> Document:
    return {
        "type": name,
        "status": "True" if is_so else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now(),
        "lastUpdateTime": now(),
    }


def set_status(store: Store, kind: Kind, document: Document, status: Document) -> None:
    """Write a status unless it says what the object says already, its times apart."""
    if _timeless(document.get("status")) == _timeless(status):
        return
    try:
        store.replace(
            kind,
            namespace_of(document),
            name_of(document),
            lambda before: {**before, "status": status},
        )
    except Refusal:
        return  # it was deleted meanwhile


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _TIMES}
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value
