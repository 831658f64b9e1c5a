"""Who can reach whom in a cluster that enforces NetworkPolicies (security.md K19 to K22)."""

from dataclasses import replace
from typing import Final

import pytest

from tests.k8s.manifests import NAMES, WHOLE, find
from tests.k8s.traffic import End, is_allowed

_DISPATCHER: Final = End(
    "conveyor", {"app.kubernetes.io/name": "dispatcher"}, address="10.4.0.5", ports={"http": 8080}
)
_STEP: Final = End(
    "conveyor-steps",
    {"app": "nn-service", "pipeline_id": "p", "step_id": "1"},
    address="10.4.0.6",
    ports={"http": 5000},
)
_FIRST_STEP: Final = replace(_STEP, labels={**_STEP.labels, "conveyor/entry": "true"})
_DNS: Final = End("kube-system", {"k8s-app": "kube-dns"}, address="10.4.0.2")
_API_SERVER: Final = End(address="10.0.0.2")
_INTERNET: Final = End(address="93.184.216.34")
_METADATA: Final = End(address="169.254.169.254")
_STRANGER: Final = End("default", {"app": "shop"}, address="10.4.0.9", ports={"redis": 6379})
_CLIENT: Final = End("shop", {}, {"conveyor/client": "true"}, address="10.4.0.10")


def _policies(name: str) -> list[dict[str, object]]:
    return [dict(policy) for policy in find(name, "NetworkPolicy")]


@pytest.mark.parametrize("name", WHOLE)
def test_k19_each_namespace_denies_by_default(name: str) -> None:
    for namespace in ("conveyor", "conveyor-steps"):
        denials = [
            policy["spec"]
            for policy in find(name, "NetworkPolicy", namespace)
            if policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        ]
        assert len(denials) == 1


@pytest.mark.parametrize("name", WHOLE)
def test_k19_what_the_service_needs_is_allowed(name: str) -> None:
    policies = _policies(name)
    assert is_allowed(policies, _CLIENT, _DISPATCHER, 8080)
    assert is_allowed(policies, _DISPATCHER, _STEP, 5000)
    assert is_allowed(policies, _DISPATCHER, _DNS, 53, "UDP")
    assert is_allowed(policies, _DISPATCHER, _DNS, 53)
    for port in (443, 6443, 8443):
        assert is_allowed(policies, _DISPATCHER, _API_SERVER, port)


@pytest.mark.parametrize("name", WHOLE)
def test_k19_nobody_else_gets_in(name: str) -> None:
    policies = _policies(name)
    assert not is_allowed(policies, _STRANGER, _DISPATCHER, 8080)
    assert not is_allowed(policies, _STRANGER, _STEP, 5000)
    assert not is_allowed(policies, _CLIENT, _STEP, 5000)
    assert not is_allowed(policies, _CLIENT, _DISPATCHER, 22)
    assert not is_allowed(policies, _STEP, _DISPATCHER, 8080)
    assert not is_allowed(policies, replace(_STRANGER, namespace="conveyor"), _STEP, 5000)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("step", [_STEP, _FIRST_STEP], ids=["a step", "a first step"])
def test_k20_a_replica_reaches_nothing_outside_its_namespace(name: str, step: End) -> None:
    policies = _policies(name)
    for port in (53, 80, 443, 5000, 6379, 6443, 8080, 8443):
        for target in (_API_SERVER, _INTERNET, _METADATA, _STRANGER, _DISPATCHER, _CLIENT):
            assert not is_allowed(policies, step, target, port), (target, port)


@pytest.mark.parametrize("name", ["base", "cluster"])
def test_k20_replicas_do_not_reach_each_other_unless_chains_run_by_themselves(name: str) -> None:
    assert not is_allowed(_policies(name), _STEP, _STEP, 5000)
    assert not is_allowed(_policies(name), _STEP, _DNS, 53, "UDP")
    assert not is_allowed(_policies(name), _INTERNET, _FIRST_STEP, 5000)


@pytest.mark.parametrize("name", ["minikube", "everything"])
def test_a_chain_that_runs_by_itself_can(name: str) -> None:
    policies = _policies(name)
    assert is_allowed(policies, _INTERNET, _FIRST_STEP, 5000)
    assert not is_allowed(policies, _INTERNET, _STEP, 5000)
    assert is_allowed(policies, _FIRST_STEP, _STEP, 5000)
    assert is_allowed(policies, _FIRST_STEP, _DNS, 53, "UDP")
    assert not is_allowed(policies, _FIRST_STEP, _STEP, 22)


def test_k21_without_webhooks_the_dispatcher_does_not_reach_the_internet() -> None:
    assert not is_allowed(_policies("base"), _DISPATCHER, _INTERNET, 443)


@pytest.mark.parametrize("name", ["minikube", "cluster", "everything"])
def test_k21_webhooks_reach_the_internet_and_no_private_address(name: str) -> None:
    policies = _policies(name)
    for address in ("93.184.216.34", "2606:2800:220:1::1"):
        assert is_allowed(policies, _DISPATCHER, End(address=address), 443)
        assert not is_allowed(policies, _DISPATCHER, End(address=address), 80)
    private = (
        *("10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1"),
        *("198.18.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "fd00:ec2::254", "fe80::1"),
        *("::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
    )
    for address in private:
        assert not is_allowed(policies, _DISPATCHER, End(address=address), 9443), address
    assert not is_allowed(policies, _DISPATCHER, _METADATA, 80)
    assert not is_allowed(policies, _DISPATCHER, _STRANGER, 6379)


def test_prometheus_and_keda_are_let_in_where_they_are_used() -> None:
    prometheus = End("monitoring", {"app.kubernetes.io/name": "prometheus"})
    keda = End("keda", {"app": "keda-operator"})
    for name, is_used in (("everything", True), ("minikube", False)):
        policies = _policies(name)
        assert is_allowed(policies, prometheus, _DISPATCHER, 8080) is is_used
        assert is_allowed(policies, prometheus, _STEP, 5000) is is_used
        assert is_allowed(policies, keda, _DISPATCHER, 8080) is is_used
        assert not is_allowed(policies, keda, _STEP, 5000)


@pytest.mark.parametrize("name", NAMES)
def test_k22_no_service_opens_a_port_of_the_nodes(name: str) -> None:
    for service in find(name, "Service"):
        assert service["spec"]["type"] == "ClusterIP"
        assert not any("nodePort" in port for port in service["spec"]["ports"])
