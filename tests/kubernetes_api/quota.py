"""How much a namespace may hold: ResourceQuota and LimitRange."""

from collections import Counter
from typing import Final

from tests.kubernetes_api.kinds import BY_NAME, Document, Kind, is_leaving, name_of
from tests.kubernetes_api.naming import amount
from tests.kubernetes_api.refusals import forbidden
from tests.kubernetes_api.store import Store

_COUNTED: Final = ("configmaps", "persistentvolumeclaims", "pods", "secrets", "services")
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")


def check_quota(store: Store, kind: Kind, namespace: str, document: Document) -> None:
    """Check that one object more fits into its namespace.

    Raises:
        Refusal: 403, as the server says it.
    """
    wanted = _uses(kind, document)
    for quota in store.all(BY_NAME["ResourceQuota"], namespace):
        hard = {name: amount(most) for name, most in quota["spec"].get("hard", {}).items()}
        if kind.name == "Pod":
            _check_named(hard, document, kind, name_of(quota))
        used = _used(store, namespace)
        for name in sorted(hard.keys() & wanted.keys()):
            if wanted[name] and used[name] + wanted[name] > hard[name]:
                raise forbidden(
                    kind,
                    name_of(document),
                    f"exceeded quota: {name_of(quota)}, requested: {name}={wanted[name]:g}, "
                    f"used: {name}={used[name]:g}, limited: {name}={hard[name]:g}",
                )


def with_limit_defaults(store: Store, namespace: str, spec: Document) -> Document:
    """Return the spec of a pod with the amounts that a LimitRange gives those without."""
    containers = spec["containers"]
    for limit_range in store.all(BY_NAME["LimitRange"], namespace):
        for item in limit_range["spec"]["limits"]:
            if item["type"] == "Container":
                containers = [_with_defaults(container, item) for container in containers]
    return {**spec, "containers": containers}


def check_limits(store: Store, namespace: str, kind: Kind, document: Document) -> None:
    """Check the amounts of a pod against the namespace's LimitRanges.

    Raises:
        Refusal: 403.
    """
    for limit_range in store.all(BY_NAME["LimitRange"], namespace):
        for item in limit_range["spec"]["limits"]:
            for container in document["spec"]["containers"] if item["type"] == "Container" else ():
                limits = (container.get("resources") or {}).get("limits") or {}
                requests = (container.get("resources") or {}).get("requests") or {}
                for name, most in (item.get("max") or {}).items():
                    if name not in limits or amount(limits[name]) > amount(most):
                        why = f"maximum {name} usage per Container is {most}, but limit is "
                        raise forbidden(kind, name_of(document), why + limits.get(name, "none"))
                for name, least in (item.get("min") or {}).items():
                    if name not in requests or amount(requests[name]) < amount(least):
                        why = f"minimum {name} usage per Container is {least}, but request is "
                        raise forbidden(kind, name_of(document), why + requests.get(name, "none"))


def _with_defaults(container: Document, item: Document) -> Document:
    resources = container.get("resources") or {}
    limits = {**(item.get("default") or {}), **(resources.get("limits") or {})}
    requests = {**(item.get("defaultRequest") or {}), **(resources.get("requests") or {})}
    for name, most in limits.items():
        requests.setdefault(name, most)
    return {**container, "resources": {"limits": limits, "requests": requests}}


def _check_named(hard: dict[str, float], pod: Document, kind: Kind, quota: str) -> None:
    """A quota on an amount wants every container to name it."""
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        for name in hard:
            part, _, amount_of = name.rpartition(".")
            if amount_of in _COMPUTE and amount_of not in (resources.get(part or "requests") or {}):
                why = f"failed quota: {quota}: must specify {name} for: {container['name']}"
                raise forbidden(kind, name_of(pod), why)


def _used(store: Store, namespace: str) -> Counter[str]:
    used: Counter[str] = Counter()
    for kind in BY_NAME.values():
        for document in store.all(kind, namespace) if kind.is_namespaced else ():
            if not (kind.name == "Pod" and is_leaving(document)):
                used.update(_uses(kind, document))
    return used


def _uses(kind: Kind, document: Document) -> Counter[str]:
    uses: Counter[str] = Counter({f"count/{kind.resource}": 1})
    if not kind.group and kind.plural in _COUNTED:
        uses[kind.plural] = 1
    if kind.name == "Service":
        is_open = document["spec"].get("type") in ("NodePort", "LoadBalancer")
        uses["services.nodeports"] = len(document["spec"].get("ports") or ()) if is_open else 0
    for container in document["spec"]["containers"] if kind.name == "Pod" else ():
        for part, amounts in (container.get("resources") or {}).items():
            for name, quantity in (amounts or {}).items():
                uses[f"{part}.{name}"] += amount(quantity)  # type: ignore[assignment]
    for name in _COMPUTE:
        uses[name] = uses[f"requests.{name}"]
    return uses
