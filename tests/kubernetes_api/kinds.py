"""The kinds of objects that the stand-in knows, and how an address names one."""

from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]
"""An object as it travels: JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object."""

    name: str
    plural: str
    group: str = ""
    """Empty for the core group."""
    version: str = "v1"
    is_namespaced: bool = True
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Group and version as objects carry them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Plural and group, as messages and quotas name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS: Final = (
    Kind("Namespace", "namespaces", is_namespaced=False),
    Kind("ConfigMap", "configmaps"),
    Kind("Secret", "secrets"),
    Kind("Service", "services", subresources=("status",)),
    Kind("ServiceAccount", "serviceaccounts"),
    Kind("Pod", "pods", subresources=("status",)),
    Kind("Event", "events"),
    Kind("ResourceQuota", "resourcequotas"),
    Kind("LimitRange", "limitranges"),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims"),
    Kind("Deployment", "deployments", "apps", subresources=("scale", "status")),
    Kind("ReplicaSet", "replicasets", "apps", subresources=("scale", "status")),
    Kind("StatefulSet", "statefulsets", "apps", subresources=("scale", "status")),
    Kind("Job", "jobs", "batch", subresources=("status",)),
    Kind("EndpointSlice", "endpointslices", "discovery.k8s.io"),
    Kind("Role", "roles", "rbac.authorization.k8s.io"),
    Kind("RoleBinding", "rolebindings", "rbac.authorization.k8s.io"),
    Kind("ClusterRole", "clusterroles", "rbac.authorization.k8s.io", is_namespaced=False),
    Kind(
        "ClusterRoleBinding",
        "clusterrolebindings",
        "rbac.authorization.k8s.io",
        is_namespaced=False,
    ),
    Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io"),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy", subresources=("status",)),
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", "v2"),
    Kind("Lease", "leases", "coordination.k8s.io"),
    Kind(
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        "admissionregistration.k8s.io",
        is_namespaced=False,
    ),
    Kind(
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
        is_namespaced=False,
    ),
)
BY_NAME: Final = {kind.name: kind for kind in KINDS}
_BY_ADDRESS: Final = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Target:
    """What an address names: a collection, an object, or a part of one."""

    kind: Kind
    namespace: str = ""
    """Empty for all namespaces, and for kinds without."""
    name: str = ""
    """Empty for a collection."""
    subresource: str = ""

    @property
    def resource(self) -> str:
        """What a Role calls it: plural, with ``/`` and the subresource when it is of one."""
        return "/".join(filter(None, (self.kind.plural, self.subresource)))


def find_target(path: str) -> Target | None:
    """Return what an address names; None when there is nothing of the sort."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = _BY_ADDRESS.get((group, version, rest[0]))
    name, subresource = [*rest[1:3], "", ""][:2]
    if kind is None or len(rest) > 3 or bool(namespace) > kind.is_namespaced:
        return None
    if (subresource and subresource not in kind.subresources) or (
        kind.is_namespaced and name and not namespace
    ):
        return None
    return Target(kind, namespace, name, subresource)


def labels_of(document: Document) -> dict[str, str]:
    """Return an object's labels."""
    labels: dict[str, str] = document["metadata"].get("labels") or {}
    return labels


def name_of(document: Document) -> str:
    """Return an object's name."""
    return str(document["metadata"]["name"])


def namespace_of(document: Document) -> str:
    """Return an object's namespace; empty when it has none."""
    return str(document["metadata"].get("namespace", ""))


def is_leaving(document: Document) -> bool:
    """Say whether an object is being deleted."""
    return "deletionTimestamp" in document["metadata"]
