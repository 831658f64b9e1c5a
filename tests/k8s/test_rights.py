"""Who may do what in the cluster: as little as the code needs (security.md K12 to K15, K32)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.k8s.manifests import NAMES, WHOLE, dispatcher_pod, find, get, load

_GOLDEN: Final = Path(__file__).parent / "rights.txt"
_SENSITIVE: Final = frozenset(
    {
        *("secrets", "serviceaccounts", "serviceaccounts/token", "pods/exec", "pods/attach"),
        *("pods/portforward", "pods/ephemeralcontainers", "nodes", "nodes/proxy", "roles"),
        *("rolebindings", "clusterroles", "clusterrolebindings", "persistentvolumes"),
        *("mutatingwebhookconfigurations", "validatingwebhookconfigurations"),
        *("validatingadmissionpolicies", "certificatesigningrequests", "namespaces"),
    }
)
_WRITING: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_STEALING: Final = frozenset({"escalate", "bind", "impersonate", "deletecollection", "*"})


def rights(name: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield account, namespace, resource and verb of everything that is allowed."""
    for binding in find(name, "RoleBinding"):
        namespace = binding["metadata"]["namespace"]
        role = get(name, "Role", binding["roleRef"]["name"], namespace)
        for subject in binding["subjects"]:
            account = f"{subject['namespace']}/{subject['name']}"
            for rule in role["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            yield account, namespace, f"{group or 'core'}/{resource}", verb


def test_the_rights_are_the_ones_that_somebody_looked_at() -> None:
    lines = sorted({" ".join(right) for name in ("base", "cluster") for right in rights(name)})
    assert _GOLDEN.read_text().splitlines() == lines


@pytest.mark.parametrize("name", WHOLE)
def test_every_overlay_gives_the_same_rights_or_fewer(name: str) -> None:
    assert {" ".join(right) for right in rights(name)} <= set(_GOLDEN.read_text().splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_k12_roles_are_of_one_namespace_and_name_what_they_allow(name: str) -> None:
    assert not find(name, "ClusterRole")
    assert not find(name, "ClusterRoleBinding")
    for role in find(name, "Role"):
        assert role["metadata"]["namespace"] == "conveyor-steps"
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


@pytest.mark.parametrize("name", NAMES)
def test_k13_nobody_may_read_secrets_enter_pods_or_take_more_rights(name: str) -> None:
    for role in find(name, "Role"):
        for rule in role["rules"]:
            assert not _SENSITIVE & set(rule["resources"])
            assert not _STEALING & set(rule["verbs"])


@pytest.mark.parametrize("name", WHOLE)
def test_k14_the_account_that_reads_cannot_write(name: str) -> None:
    for account, _, resource, verb in rights(name):
        if account == "conveyor/dispatcher":
            assert verb not in _WRITING, resource


@pytest.mark.parametrize("name", WHOLE)
def test_k14_the_writer_is_there_only_where_clients_may_make_pipelines(name: str) -> None:
    pod = dispatcher_pod(name)
    may_change = pod.environment["DISPATCHER_ALLOW_PIPELINE_CHANGES"] == "true"
    writers = {account for account, _, _, verb in rights(name) if verb in _WRITING}
    assert writers == ({"conveyor/dispatcher-writer"} if may_change else set())
    own = f"{pod.namespace}/{pod.spec['serviceAccountName']}"
    assert (own in writers) is may_change
    accounts = {account["metadata"]["name"] for account in find(name, "ServiceAccount")}
    assert ("dispatcher-writer" in accounts) is may_change


def test_k14_the_base_only_reads() -> None:
    assert dispatcher_pod("base").environment["DISPATCHER_ALLOW_PIPELINE_CHANGES"] == "false"
    assert not any(verb in _WRITING for _, _, _, verb in rights("base"))


@pytest.mark.parametrize("name", WHOLE)
def test_k15_and_k32_no_account_but_the_dispatcher_may_do_anything(name: str) -> None:
    accounts = {account for account, *_ in rights(name)}
    assert accounts <= {"conveyor/dispatcher", "conveyor/dispatcher-writer"}
    for binding in find(name, "RoleBinding"):
        assert all(subject["kind"] == "ServiceAccount" for subject in binding["subjects"])


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_shipped(name: str) -> None:
    assert not any(found["kind"] == "Secret" for found in load(name))
