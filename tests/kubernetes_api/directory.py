"""What a client asks a server first: which version it is and which resources it has."""

from typing import Final

from tests.kubernetes_api.kinds import KINDS, Document, Kind

_VERBS: Final = ["create", "delete", "get", "list", "patch", "update", "watch"]
_HEALTH: Final = ("/healthz", "/livez", "/readyz")
_VERSION: Final = {"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"}


def document(path: str) -> Document | None:
    """Return what stands at such an address; None when it is another sort of address."""
    path = path.rstrip("/")
    if path in _HEALTH:
        return {"status": "ok"}
    if path == "/version":
        return dict(_VERSION)
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = {kind.group: kind.version for kind in KINDS if kind.group}
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(group, version) for group, version in groups.items()],
        }
    group_version = path.removeprefix("/apis/").removeprefix("/api/")
    found = [kind for kind in KINDS if kind.api_version == group_version]
    return _resources(group_version, found) if found else None


def _group(group: str, version: str) -> Document:
    named = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _resources(group_version: str, kinds: list[Kind]) -> Document:
    resources = []
    for kind in kinds:
        for subresource in ("", *kind.subresources):
            resources.append(
                {
                    "name": "/".join(filter(None, (kind.plural, subresource))),
                    "singularName": "" if subresource else kind.name.lower(),
                    "namespaced": kind.is_namespaced,
                    "kind": "Scale" if subresource == "scale" else kind.name,
                    "verbs": ["get", "patch", "update"] if subresource else _VERBS,
                }
            )
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }
