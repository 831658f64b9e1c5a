"""Reads the rendered manifests: objects, the pods that they make, and what selects them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from tests.k8s.rendering import KUSTOMIZATIONS

Document = Mapping[str, Any]

DISPATCHER_NAMESPACE: Final = "conveyor"
STEPS_NAMESPACE: Final = "conveyor-steps"

NAMES: Final[Sequence[str]] = sorted(path.stem for path in KUSTOMIZATIONS)
"""Of all files that are rendered; ``everything`` is there for tests alone."""
WHOLE: Final[Sequence[str]] = ("base", "cluster", "everything", "minikube")
"""Those that can stand alone in a cluster."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as a workload would make it."""

    owner: str
    """Kind and name of the workload."""
    namespace: str
    labels: Mapping[str, str]
    spec: Document
    replicas: int
    strategy: str

    @property
    def container(self) -> Document:
        """Its only container."""
        (container,) = self.spec["containers"]
        assert isinstance(container, dict)
        return container

    @property
    def is_step(self) -> bool:
        """Say whether it is a replica of a step."""
        return self.namespace == STEPS_NAMESPACE

    @property
    def environment(self) -> Mapping[str, str]:
        """What the container is told in plain values."""
        return {entry["name"]: entry["value"] for entry in self.container["env"]}


@cache
def load(name: str) -> Sequence[Document]:
    """Return the objects of a rendered file."""
    (path,) = (path for path in KUSTOMIZATIONS if path.stem == name)
    return tuple(yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader))


def find(name: str, kind: str, namespace: str | None = None) -> list[Document]:
    """Return all objects of a kind, of one namespace or of all."""
    return [
        found
        for found in load(name)
        if found["kind"] == kind and namespace in (None, found["metadata"].get("namespace"))
    ]


def get(name: str, kind: str, called: str, namespace: str | None = None) -> Document:
    """Return the only object of this kind and name."""
    (found,) = (one for one in find(name, kind, namespace) if one["metadata"]["name"] == called)
    return found


def pods(name: str) -> Iterator[Pod]:
    """Yield one pod of every workload."""
    for workload in find(name, "Deployment"):
        yield pod_of(workload)


def different_pods() -> Iterator[tuple[str, Pod]]:
    """Yield the pods of all files with a name for each; of those that are the same, one."""
    seen = []
    for name in NAMES:
        for pod in pods(name):
            if pod not in seen:
                seen.append(pod)
                yield f"{name}-{pod.owner}", pod


def pod_of(workload: Document) -> Pod:
    """Return a pod as a Deployment would make it."""
    spec, metadata = workload["spec"], workload["metadata"]
    return Pod(
        owner=f"{workload['kind']}/{metadata['name']}",
        namespace=metadata["namespace"],
        labels=spec["template"]["metadata"]["labels"],
        spec=spec["template"]["spec"],
        replicas=spec.get("replicas", 1),
        strategy=spec.get("strategy", {}).get("type", "RollingUpdate"),
    )


def dispatcher_pod(name: str) -> Pod:
    """Return the dispatcher's pod."""
    return pod_of(get(name, "Deployment", "dispatcher"))


def selects(selector: Document | None, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector matches; an empty one matches everything.

    Follows "Resources that support set-based requirements" of the Kubernetes documentation.
    """
    selector = selector or {}
    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _fits(rule, labels) for rule in selector.get("matchExpressions", ())
    )


def _fits(rule: Document, labels: Mapping[str, str]) -> bool:
    is_there, value = rule["key"] in labels, labels.get(rule["key"])
    match rule["operator"]:
        case "In":
            return value in rule["values"]
        case "NotIn":
            return value not in rule["values"]
        case "Exists":
            return is_there
        case "DoesNotExist":
            return not is_there
    raise AssertionError(rule["operator"])
