"""Reads the rendered manifests: objects, the pods that they make, and what selects them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from tests.k8s.rendering import KUSTOMIZATIONS

Document = Mapping[str, Any]

_REFERENCE: Final = re.compile(r"\$\((\w+)\)")
DISPATCHER_NAMESPACE: Final = "conveyor"
STEPS_NAMESPACE: Final = "conveyor-steps"

NAMES: Final[Sequence[str]] = sorted(path.stem for path in KUSTOMIZATIONS)
"""Of all files that are rendered; ``everything`` is there for tests alone."""
WHOLE: Final[Sequence[str]] = ("base", "cluster", "everything", "minikube", "shared")
"""Those that can stand alone in a cluster."""
SHARED: Final[Sequence[str]] = ("cluster", "shared")
"""Those of several dispatchers; in the others there is one, with SQLite."""


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
    is_endless: bool
    """Whether it runs until somebody ends it."""

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
    def is_dispatcher(self) -> bool:
        """Say whether it is one of the dispatchers."""
        return self.labels.get("app.kubernetes.io/component") == "dispatcher"

    @property
    def is_own(self) -> bool:
        """Say whether a program of this project runs in it."""
        return self.is_step or self.is_dispatcher

    @property
    def environment(self) -> Mapping[str, str]:
        """What the container is told in plain values, as the kubelet expands them.

        What comes from a Secret or from the pod itself is not in it, but stands for itself, in
        square brackets, where another variable has it inside.
        """
        values: dict[str, str] = {}
        plain = {}
        for entry in self.container["env"]:
            values[entry["name"]] = _expanded(entry.get("value", f"[{entry['name']}]"), values)
            if "value" in entry:
                plain[entry["name"]] = values[entry["name"]]
        return plain


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
    for kind in ("Deployment", "StatefulSet", "Job"):
        yield from map(pod_of, find(name, kind))


def different_pods() -> Iterator[tuple[str, Pod]]:
    """Yield the pods of all files with a name for each; of those that are the same, one."""
    seen = []
    for name in NAMES:
        for pod in pods(name):
            if pod not in seen:
                seen.append(pod)
                yield f"{name}-{pod.owner}", pod


def pod_of(workload: Document) -> Pod:
    """Return a pod as a Deployment, a StatefulSet or a Job would make it."""
    spec, metadata = workload["spec"], workload["metadata"]
    claims = [
        {"name": claim["metadata"]["name"], "persistentVolumeClaim": claim["metadata"]}
        for claim in spec.get("volumeClaimTemplates", ())
    ]
    pod_spec = spec["template"]["spec"]
    return Pod(
        owner=f"{workload['kind']}/{metadata['name']}",
        namespace=metadata["namespace"],
        labels=spec["template"]["metadata"]["labels"],
        spec={**pod_spec, "volumes": [*pod_spec["volumes"], *claims]},
        replicas=spec.get("replicas", 1),
        strategy=spec.get("strategy", {}).get("type", "RollingUpdate"),
        is_endless=workload["kind"] != "Job",
    )


def dispatcher_pod(name: str) -> Pod:
    """Return the pod of the dispatcher that clients reach."""
    return pod_of(get(name, "Deployment", "dispatcher"))


def worker_pod(name: str) -> Pod:
    """Return the pod of a dispatcher that only works."""
    return pod_of(get(name, "Deployment", "dispatcher-worker"))


def selects(selector: Document | None, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector matches; an empty one matches everything.

    Follows "Resources that support set-based requirements" of the Kubernetes documentation.
    """
    selector = selector or {}
    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _fits(rule, labels) for rule in selector.get("matchExpressions", ())
    )


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """Return a value with ``$(NAME)`` replaced; one that is not known yet stays as it is."""
    return _REFERENCE.sub(lambda found: known.get(found[1], found[0]), value)


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
