"""The way of an object into the cluster: defaults, rules, Pod Security, quota."""

import json
from collections.abc import Callable
from typing import Final

from tests.kubernetes_api import pod_security
from tests.kubernetes_api.defaults import with_defaults
from tests.kubernetes_api.kinds import (
    BY_NAME,
    Document,
    Kind,
    is_leaving,
    labels_of,
    name_of,
    namespace_of,
)
from tests.kubernetes_api.object_rules import check_object, check_update
from tests.kubernetes_api.quota import check_limits, check_quota
from tests.kubernetes_api.refusals import Refusal, forbidden, not_found
from tests.kubernetes_api.schemas import check_schema
from tests.kubernetes_api.store import Store

_MAX_REQUEST_BYTES: Final = 3 * 1024 * 1024
_CHECKED: Final = ("ConfigMap", "Service", "Deployment", "Pod", "EndpointSlice", "Namespace")
"""Kinds whose rules beside the schema are known here; of the others the schema counts alone."""

Warn = Callable[[str], None]


def admit_new(
    store: Store, kind: Kind, namespace: str, document: Document, *, warn: Warn
) -> Document:
    """Return a new object as it is kept.

    Raises:
        Refusal: it may not come in.
    """
    _check_size(document)
    check_schema(kind, document)
    metadata = {**document["metadata"]}
    if kind.is_namespaced:
        _check_namespace(store, kind, namespace, metadata)
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if not metadata.get("name") and not metadata.get("generateName"):
        raise Refusal(422, "Invalid", f"{kind.name} is invalid: metadata.name: Required value")
    admitted = with_defaults(store, kind, namespace, {**document, "metadata": metadata})
    named = {**admitted, "metadata": {"name": f"{metadata.get('generateName')}abcde", **metadata}}
    if kind.name in _CHECKED:
        check_object(kind, named)
    _check_security(store, kind, namespace, named, warn)
    if kind.name == "Pod":
        _check_account(store, namespace, named)
        check_limits(store, namespace, kind, named)
    if kind.is_namespaced:
        check_quota(store, kind, namespace, named)
    if kind.subresources:
        admitted["status"] = {}
    return admitted


def admit_change(
    store: Store, kind: Kind, before: Document, after: Document, *, warn: Warn
) -> Document:
    """Return a changed object as it is kept.

    Raises:
        Refusal: it may not be changed so.
    """
    _check_size(after)
    check_schema(kind, after)
    namespace = namespace_of(before)
    if kind.subresources:
        after = {**after, "status": before.get("status", {})}
    after = with_defaults(store, kind, namespace, after) if kind.name != "Pod" else after
    if kind.name in _CHECKED:
        check_object(kind, after)
        check_update(kind, before, after)
    _check_security(store, kind, namespace, after, warn)
    return after


def security_level(store: Store, namespace: str) -> str:
    """Return the Pod Security level that a namespace enforces."""
    found = store.find(BY_NAME["Namespace"], "", namespace)
    return labels_of(found).get(pod_security.LABEL, "privileged") if found else "privileged"


def _check_size(document: Document) -> None:
    size = len(json.dumps(document))
    if size > _MAX_REQUEST_BYTES:
        raise Refusal(
            413,
            "RequestEntityTooLarge",
            f"Request entity too large: limit is {_MAX_REQUEST_BYTES}",
        )


def _check_namespace(store: Store, kind: Kind, namespace: str, metadata: Document) -> None:
    found = store.find(BY_NAME["Namespace"], "", namespace)
    if found is None:
        raise not_found(BY_NAME["Namespace"], namespace)
    if is_leaving(found):
        why = (
            f"unable to create new content in namespace {namespace} because it is being terminated"
        )
        raise forbidden(kind, metadata.get("name", ""), why)


def _check_account(store: Store, namespace: str, pod: Document) -> None:
    account = pod["spec"]["serviceAccountName"]
    if store.find(BY_NAME["ServiceAccount"], namespace, account) is None:
        why = (
            f"error looking up service account {namespace}/{account}: serviceaccount "
            f'"{account}" not found'
        )
        raise forbidden(BY_NAME["Pod"], name_of(pod), why)


def _check_security(
    store: Store, kind: Kind, namespace: str, document: Document, warn: Warn
) -> None:
    """Refuse a pod; of what makes pods only warn, as the real server does."""
    if kind.name not in ("Pod", "Deployment", "StatefulSet", "Job"):
        return
    if security_level(store, namespace) != "restricted":
        return
    is_pod = kind.name == "Pod"
    spec = document["spec"] if is_pod else document["spec"]["template"]["spec"]
    found = pod_security.violations(spec)
    if found and is_pod:
        why = f'violates PodSecurity "restricted:latest": {", ".join(found)}'
        raise forbidden(kind, name_of(document), why)
    if found:
        warn(f'would violate PodSecurity "restricted:latest": {", ".join(found)}')
