"""What each verb does to the objects: the API without HTTP."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.kubernetes_api.admission import Warn, admit_change, admit_new
from tests.kubernetes_api.kinds import Document, Target, is_leaving, name_of
from tests.kubernetes_api.object_rules import check_request
from tests.kubernetes_api.patches import patched
from tests.kubernetes_api.refusals import Refusal, bad_request, conflict, expired
from tests.kubernetes_api.selectors import chooser
from tests.kubernetes_api.store import Store

_RETURNED_WHEN_DELETED: Final = ("Pod", "Service", "PersistentVolumeClaim", "ServiceAccount")
"""Of other kinds a deletion answers with a ``Status``."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call."""

    verb: str
    target: Target
    query: Mapping[str, str]
    body: Any = None
    content_type: str = ""
    manager: str = "unknown"
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the object, also of one that is made."""
        if self.target.name or not isinstance(self.body, dict):
            return self.target.name
        return str((self.body.get("metadata") or {}).get("name", ""))

    @property
    def is_dry(self) -> bool:
        """Whether nothing shall be kept."""
        return self.query.get("dryRun") == "All"


def answer(store: Store, request: Request) -> tuple[int, Document]:
    """Do what is asked, at once and whole; return status and document.

    Raises:
        Refusal: it is not done.
    """
    with store.lock:
        return _VERBS[request.verb](store, request)


def _get(store: Store, request: Request) -> tuple[int, Document]:
    target = request.target
    found = store.get(target.kind, target.namespace, target.name)
    return 200, _scale_of(found) if target.subresource == "scale" else found


def _list(store: Store, request: Request) -> tuple[int, Document]:
    target, query = request.target, request.query
    choose = chooser(query.get("labelSelector", ""), query.get("fieldSelector", ""))
    found = [one for one in store.all(target.kind, target.namespace) if choose(one)]
    metadata: Document = {"resourceVersion": str(store.version)}
    limit = int(query.get("limit") or 0)
    if query.get("continue"):
        version, last = json.loads(base64.b64decode(query["continue"]))
        try:
            store.since(version)
        except Refusal as exc:
            raise expired(version, store.version) from exc
        metadata["resourceVersion"] = str(version)
        found = [one for one in found if [one["metadata"].get("namespace"), name_of(one)] > last]
    if limit and len(found) > limit:
        metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
        last_one = [found[-1]["metadata"].get("namespace"), name_of(found[-1])]
        token = json.dumps([int(metadata["resourceVersion"]), last_one])
        metadata["continue"] = base64.b64encode(token.encode()).decode()
    return 200, {
        "kind": f"{target.kind.name}List",
        "apiVersion": target.kind.api_version,
        "metadata": metadata,
        # The real server leaves these out of the items of a list.
        "items": [
            {key: value for key, value in one.items() if key not in ("kind", "apiVersion")}
            for one in found
        ],
    }


def _create(store: Store, request: Request) -> tuple[int, Document]:
    target = request.target
    if target.name:
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method")
    # The kind may be left out: the address says it.
    said = {"kind": target.kind.name, "apiVersion": target.kind.api_version}
    document = {**said, **_object(request.body)}
    check_request(target.kind, document, namespace=target.namespace, name="")
    admitted = admit_new(
        store, target.kind, target.namespace, document, warn=request.warnings.append
    )
    if request.is_dry:
        return 201, admitted
    return 201, store.add(target.kind, admitted, manager=request.manager)


def _update(store: Store, request: Request) -> tuple[int, Document]:
    return _change(store, request, lambda _: _object(request.body))


def _patch(store: Store, request: Request) -> tuple[int, Document]:
    return _change(
        store, request, lambda before: patched(before, request.content_type, request.body)
    )


def _change(store: Store, request: Request, make: Any) -> tuple[int, Document]:
    target, warn = request.target, request.warnings.append
    if not target.name:
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method")
    before = store.get(target.kind, target.namespace, target.name)
    if target.subresource == "scale":
        scale = make(_scale_of(before))
        return 200, _scale_of(_scaled(store, request, before, scale, warn))
    said = {"kind": target.kind.name, "apiVersion": target.kind.api_version}
    document = {**said, **make(before)}
    check_request(target.kind, document, namespace=target.namespace, name=target.name)
    expected = document["metadata"].get("resourceVersion")
    kept = {**document["metadata"]}
    if target.kind.is_namespaced:
        kept["namespace"] = target.namespace
    document = {**document, "metadata": kept}
    if target.subresource == "status":
        document = {**before, "status": document.get("status", {})}
    else:
        admitted = admit_change(store, target.kind, before, document, warn=warn)
        document = {**admitted, "metadata": {**kept, "resourceVersion": expected}}
    if request.is_dry:
        return 200, document
    return 200, _replace(store, request, document)


def _scaled(
    store: Store, request: Request, before: Document, scale: Document, warn: Warn
) -> Document:
    replicas = scale.get("spec", {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        raise Refusal(422, "Invalid", "spec.replicas: must be greater than or equal to 0")
    document = {**before, "spec": {**before["spec"], "replicas": replicas}}
    admitted = admit_change(store, request.target.kind, before, document, warn=warn)
    expected = scale.get("metadata", {}).get("resourceVersion")
    metadata = {**admitted["metadata"], "resourceVersion": expected}
    if request.is_dry:
        return admitted
    return _replace(store, request, {**admitted, "metadata": metadata})


def _replace(store: Store, request: Request, document: Document) -> Document:
    target = request.target
    return store.replace(
        target.kind, target.namespace, target.name, lambda _: document, manager=request.manager
    )


def _delete(store: Store, request: Request) -> tuple[int, Document]:
    target, options = request.target, _object(request.body or {})
    found = store.get(target.kind, target.namespace, target.name)
    wanted = options.get("preconditions") or {}
    if wanted.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: "
        raise conflict(target.kind, target.name, why + found["metadata"]["uid"])
    version = found["metadata"]["resourceVersion"]
    if wanted.get("resourceVersion", version) != version:
        why = "Precondition failed: ResourceVersion in precondition: "
        raise conflict(target.kind, target.name, why + wanted["resourceVersion"])
    policy = options.get("propagationPolicy") or request.query.get("propagationPolicy")
    if policy not in (None, "Background", "Foreground", "Orphan"):
        raise bad_request(f"invalid propagationPolicy: {policy}")
    if policy == "Orphan":
        raise bad_request("this stand-in orphans nothing")
    if not request.is_dry:
        found = store.delete(
            target.kind,
            target.namespace,
            target.name,
            policy=policy or "Background",
            grace_s=_grace_s(request, options, found),
        )
    if target.kind.name in _RETURNED_WHEN_DELETED or is_leaving(found):
        return 200, found
    details = {
        "name": target.name,
        "group": target.kind.group,
        "kind": target.kind.plural,
        "uid": found["metadata"]["uid"],
    }
    return 200, {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def _grace_s(request: Request, options: Document, found: Document) -> int:
    """Return how long a pod may take to end; other objects go at once."""
    if request.target.kind.name != "Pod":
        return 0
    asked = options.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    of_pod = found["spec"].get("terminationGracePeriodSeconds", 30)
    return int(of_pod if asked is None else asked)


def _delete_collection(store: Store, request: Request) -> tuple[int, Document]:
    raise Refusal(405, "MethodNotAllowed", "this stand-in never deletes a collection")


def _scale_of(document: Document) -> Document:
    labels = document["spec"].get("selector", {}).get("matchLabels", {})
    metadata = document["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept},
        "spec": {"replicas": document["spec"].get("replicas", 1)},
        "status": {
            "replicas": document.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def _object(body: Any) -> Document:
    if not isinstance(body, dict):
        raise bad_request("the body of the request is no object")
    return body


_VERBS: Final = {
    "get": _get,
    "list": _list,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
    "deletecollection": _delete_collection,
}
