"""An API server takes every object: published schemas, names, labels, quantities."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from kubernetes.utils import parse_quantity
from kubernetes_validate import validate

from tests.k8s.manifests import NAMES, Document, load

_VERSIONS: Final = ("1.34", "1.36")
_OWN_KINDS: Final = frozenset(
    {
        ("keda.sh/v1alpha1", "ScaledObject"),
        ("keda.sh/v1alpha1", "ClusterTriggerAuthentication"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
    }
)
"""Of the operators that some components need; the API server knows them by their definitions."""
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY: Final = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DISTINCT: Final = {str(found): (name, found) for name in NAMES for found in load(name)}
_OBJECTS: Final = [
    pytest.param(found, id=f"{name}-{found['kind']}-{found['metadata']['name']}")
    for name, found in _DISTINCT.values()
]
"""Most are the same in several files: once is enough."""


@pytest.mark.parametrize("found", _OBJECTS)
def test_an_object_fits_the_published_schemas_strictly(found: Document) -> None:
    if (found["apiVersion"], found["kind"]) in _OWN_KINDS:
        return
    for version in _VERSIONS:
        validate(dict(found), version, strict=True)


@pytest.mark.parametrize("found", _OBJECTS)
def test_names_and_labels_are_what_kubernetes_allows(found: Document) -> None:
    assert _NAME.fullmatch(found["metadata"]["name"])
    for labels in _all_under(found, "labels", "matchLabels"):
        for key, value in labels.items():
            assert _KEY.fullmatch(key), key
            assert isinstance(value, str), key
            assert _LABEL.fullmatch(value), value


@pytest.mark.parametrize("found", _OBJECTS)
def test_quantities_are_quantities(found: Document) -> None:
    fields = ("requests", "limits", "hard", "defaultRequest", "default", "max")
    for amounts in _all_under(found, *fields):
        for name, amount in amounts.items():
            assert isinstance(amount, str), name
            assert parse_quantity(amount) >= 0, name


def test_every_object_is_in_one_of_the_two_namespaces_or_in_none() -> None:
    cluster_wide = {
        "Namespace",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ClusterTriggerAuthentication",
    }
    for name in NAMES:
        for found in load(name):
            namespace = found["metadata"].get("namespace")
            if found["kind"] in cluster_wide:
                assert namespace is None
            else:
                assert namespace in {"conveyor", "conveyor-steps"}, found["metadata"]["name"]


def _all_under(node: object, *fields: str) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping that stands under one of these names, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in fields and isinstance(value, dict) and "type" not in value:
                yield value
            yield from _all_under(value, *fields)
    elif isinstance(node, list):
        for value in node:
            yield from _all_under(value, *fields)
