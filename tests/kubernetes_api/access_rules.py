"""Who may do what: accounts, Roles and their bindings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.kubernetes_api.kinds import BY_NAME, Document, Target, name_of, namespace_of
from tests.kubernetes_api.refusals import Refusal
from tests.kubernetes_api.store import Store

ADMINISTRATOR: Final = "administrator"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource that a rule grants."""

    namespace: str
    """Empty for all namespaces."""
    verb: str
    group: str
    resource: str
    """Plural, with ``/`` and the subresource when it is of one."""
    name: str = ""
    """Empty for every object."""


def check_access(store: Store, account: str, verb: str, target: Target) -> None:
    """Check that an account may do something.

    Args:
        store: has the Roles and their bindings.
        account: ``namespace/name`` of a ServiceAccount, or the administrator.
        verb: as in a Role.
        target: on what.

    Raises:
        Refusal: 403.
    """
    if account == ADMINISTRATOR or any(
        _covers(right, verb, target) for right in rights_of(store, account)
    ):
        return
    resource = target.resource
    group = target.kind.group
    object_name = f' "{target.name}"' if target.name else ""
    place = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    raise Refusal(
        403,
        "Forbidden",
        f"{target.kind.resource}{object_name} is forbidden: User "
        f'"system:serviceaccount:{account.replace("/", ":")}" cannot {verb} resource "{resource}" '
        f'in API group "{group}" {place}',
        details={"name": target.name, "group": group, "kind": target.kind.plural},
    )


def rights_of(store: Store, account: str) -> set[Right]:
    """Return everything that the Roles bound to a ServiceAccount grant."""
    rights: set[Right] = set()
    for binding in store.all(BY_NAME["RoleBinding"]):
        if _binds(binding, account):
            namespace = namespace_of(binding)
            of_cluster = binding["roleRef"]["kind"] == "ClusterRole"
            kind = BY_NAME["ClusterRole" if of_cluster else "Role"]
            role = store.find(kind, "" if of_cluster else namespace, binding["roleRef"]["name"])
            rights |= set(_granted(role, namespace))
    for binding in store.all(BY_NAME["ClusterRoleBinding"]):
        if _binds(binding, account):
            role = store.find(BY_NAME["ClusterRole"], "", binding["roleRef"]["name"])
            rights |= set(_granted(role, ""))
    return rights


def _binds(binding: Document, account: str) -> bool:
    namespace, name = account.split("/")
    return any(
        subject["kind"] == "ServiceAccount"
        and subject["name"] == name
        and subject.get("namespace", namespace_of(binding)) == namespace
        for subject in binding.get("subjects") or ()
    )


def _granted(role: Document | None, namespace: str) -> Iterator[Right]:
    for rule in (role or {}).get("rules") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames") or ("",):
                        yield Right(namespace, verb, group, resource, name)


def _covers(right: Right, verb: str, target: Target) -> bool:
    return (
        right.namespace in ("", target.namespace)
        and right.verb in ("*", verb)
        and right.group in ("*", target.kind.group)
        and right.resource in ("*", target.resource)
        and right.name in ("", target.name)
    )


def account_of(document: Document) -> str:
    """Return how a ServiceAccount is called here."""
    return f"{namespace_of(document)}/{name_of(document)}"
