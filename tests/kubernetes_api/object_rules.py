"""What the server asks of an object beside its schema: names, labels, sizes, selectors."""

import json
from collections.abc import Callable, Iterator
from typing import Final

from tests.kubernetes_api import pod_rules
from tests.kubernetes_api.kinds import Document, Kind, labels_of, name_of
from tests.kubernetes_api.naming import (
    is_label,
    is_label_key,
    is_label_value,
    is_service_name,
    is_subdomain,
)
from tests.kubernetes_api.pod_rules import Complaint
from tests.kubernetes_api.refusals import Refusal, invalid

_MAX_CONFIG_BYTES: Final = 1024 * 1024
_MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
_NODE_PORTS: Final = range(30_000, 32_768)
_MAX_PORT: Final = 65_535
_NAME_RULES: Final = {
    "Service": (is_service_name, "a DNS-1035 label must start with an alphabetic character"),
    "Namespace": (is_label, "a lowercase RFC 1123 label must consist of a-z, 0-9 and -"),
}
_SUBDOMAIN_RULE: Final = (is_subdomain, "a lowercase RFC 1123 subdomain must consist of a-z, 0-9")


def check_object(kind: Kind, document: Document) -> None:
    """Check what a schema cannot say.

    Raises:
        Refusal: 422, naming the first field that is wrong.
    """
    for field, why in (*_metadata(kind, document), *_BY_KIND.get(kind.name, _nothing)(document)):
        raise invalid(kind, name_of(document), field, why)


def check_update(kind: Kind, before: Document, after: Document) -> None:
    """Check what may not change.

    Raises:
        Refusal: 422.
    """
    if kind.name in ("Deployment", "ReplicaSet", "StatefulSet"):
        fixed = ["selector"]
    elif kind.name == "Service":
        fixed = ["clusterIP"]
    else:
        fixed = []
    for field in fixed:
        if before["spec"].get(field) != after["spec"].get(field):
            raise invalid(kind, name_of(before), f"spec.{field}", "field is immutable")
    if before.get("immutable") and before.get("data") != after.get("data"):
        raise invalid(kind, name_of(before), "data", "field is immutable when `immutable` is set")


def _metadata(kind: Kind, document: Document) -> Iterator[Complaint]:
    name = name_of(document)
    is_valid, why = _NAME_RULES.get(kind.name, _SUBDOMAIN_RULE)
    if not kind.group.startswith("rbac") and not is_valid(name):
        yield "metadata.name", f'Invalid value: "{name}": {why}'
    for key, value in labels_of(document).items():
        yield from _label("metadata.labels", key, value)
    annotations: dict[str, str] = document["metadata"].get("annotations") or {}
    for key in annotations:
        if not is_label_key(key):
            yield "metadata.annotations", f'Invalid value: "{key}": no qualified name'
    if sum(len(key) + len(value.encode()) for key, value in annotations.items()) > (
        _MAX_ANNOTATIONS_BYTES
    ):
        yield (
            "metadata.annotations",
            f"Too long: may not be more than {_MAX_ANNOTATIONS_BYTES} bytes",
        )
    for place, owner in enumerate(document["metadata"].get("ownerReferences") or ()):
        for part in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(part):
                yield f"metadata.ownerReferences[{place}].{part}", "must not be empty"


def _label(field: str, key: str, value: str) -> Iterator[Complaint]:
    if not is_label_key(key):
        yield field, f'Invalid value: "{key}": name part must consist of alphanumeric characters'
    if not is_label_value(value):
        yield (
            field,
            f'Invalid value: "{value}": a valid label must be an empty string or consist of',
        )


def _config_map(document: Document) -> Iterator[Complaint]:
    data: dict[str, str] = document.get("data") or {}
    for key in data:
        if not key or not set(key) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
        ):
            yield f"data[{key}]", "a valid config key must consist of alphanumeric characters"
    if sum(len(value.encode()) for value in data.values()) > _MAX_CONFIG_BYTES:
        yield "", f"Too long: may not be more than {_MAX_CONFIG_BYTES} bytes"


def _deployment(document: Document) -> Iterator[Complaint]:
    spec = document["spec"]
    template = spec["template"]
    labels: dict[str, str] = (template.get("metadata") or {}).get("labels") or {}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    if not selector and not (spec.get("selector") or {}).get("matchExpressions"):
        yield "spec.selector", "empty selector is invalid for deployment"
    if not selector.items() <= labels.items():
        yield (
            "spec.template.metadata.labels",
            f"Invalid value: {json.dumps(labels)}: `selector` does not match template `labels`",
        )
    for key, value in (*labels.items(), *selector.items()):
        yield from _label("spec.template.metadata.labels", key, value)
    if spec.get("replicas", 1) < 0:
        yield "spec.replicas", "must be greater than or equal to 0"
    if template["spec"].get("restartPolicy", "Always") != "Always":
        yield "spec.template.spec.restartPolicy", 'Unsupported value: supported values: "Always"'
    yield from pod_rules.complaints(template["spec"], "spec.template.spec")


def _service(document: Document) -> Iterator[Complaint]:
    spec = document.get("spec") or {}
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None":
        yield "spec.ports", "Required value"
    for place, port in enumerate(ports):
        at = f"spec.ports[{place}]"
        if len(ports) > 1 and not port.get("name"):
            yield f"{at}.name", "Required value"
        if port.get("name") and not is_label(port["name"]):
            yield f"{at}.name", f'Invalid value: "{port["name"]}": not a DNS label'
        if not 0 < port["port"] <= _MAX_PORT:
            yield f"{at}.port", "must be between 1 and 65535, inclusive"
        node_port = port.get("nodePort")
        if node_port and spec.get("type") not in ("NodePort", "LoadBalancer"):
            yield f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'"
        if node_port and node_port not in _NODE_PORTS:
            yield f"{at}.nodePort", "provided port is not in the valid range 30000-32767"
    for key, value in (spec.get("selector") or {}).items():
        yield from _label("spec.selector", key, value)


def _pod(document: Document) -> Iterator[Complaint]:
    yield from pod_rules.complaints(document["spec"], "spec")


def _nothing(_: Document) -> Iterator[Complaint]:
    yield from ()


_BY_KIND: Final[dict[str, Callable[[Document], Iterator[Complaint]]]] = {
    "ConfigMap": _config_map,
    "Deployment": _deployment,
    "Pod": _pod,
    "Service": _service,
    "StatefulSet": _deployment,
}


def check_request(kind: Kind, document: Document, *, namespace: str, name: str) -> None:
    """Check that an object is what its address says.

    Raises:
        Refusal: 400.
    """
    named = document.get("apiVersion"), document.get("kind")
    if named != (kind.api_version, kind.name):
        raise Refusal(
            400,
            "BadRequest",
            f"the object is {named[0]}/{named[1]}, "
            f"the address is of {kind.api_version}/{kind.name}",
        )
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise Refusal(422, "Invalid", "metadata: Required value")
    if metadata.get("namespace", namespace) != namespace:
        raise Refusal(
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        )
    if name and metadata.get("name", name) != name:
        raise Refusal(
            400,
            "BadRequest",
            f"the name of the object ({metadata.get('name')}) does not match the name on the URL "
            f"({name})",
        )
