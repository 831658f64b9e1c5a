"""Who can reach whom in a cluster that enforces NetworkPolicies (security.md K19 to K22)."""

from dataclasses import replace
from typing import Final

import pytest

from tests.k8s.manifests import (
    NAMES,
    SHARED,
    WHOLE,
    dispatcher_pod,
    find,
    get,
    pod_of,
    worker_pod,
)
from tests.k8s.traffic import End, is_allowed

_DISPATCHER: Final = End(
    "conveyor",
    {"app.kubernetes.io/name": "dispatcher", "app.kubernetes.io/component": "dispatcher"},
    address="10.4.0.5",
    ports={"http": 8080},
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
_SERVERS: Final = {"rabbitmq": 5672, "redis": 6379, "minio": 9000}
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


@pytest.mark.parametrize("name", ["minikube", "cluster", "everything", "shared"])
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


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize(("server", "port"), _SERVERS.items())
def test_k19_only_dispatchers_reach_the_servers(name: str, server: str, port: int) -> None:
    policies = _policies(name)
    target = _server(name, server)
    worker = End("conveyor", worker_pod(name).labels, address="10.4.0.12", ports={"http": 8080})
    api = replace(worker, labels=dispatcher_pod(name).labels)
    for dispatcher in (api, worker):
        assert is_allowed(policies, dispatcher, target, port)
        assert not is_allowed(policies, dispatcher, target, 22)
    for stranger in (_STRANGER, _CLIENT, _STEP, _FIRST_STEP, _INTERNET):
        assert not is_allowed(policies, stranger, target, port)
    for other, other_port in ((_STEP, 5000), (_DNS, 53), (_API_SERVER, 6443), (_INTERNET, 443)):
        assert is_allowed(policies, worker, other, other_port), other
    in_same_namespace = End("conveyor", {"app": "shop"}, address="10.4.0.13")
    assert not is_allowed(policies, in_same_namespace, target, port)
    assert not is_allowed(policies, _CLIENT, worker, 8080)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("server", _SERVERS)
def test_k19_servers_reach_each_other_only_where_they_are_one(name: str, server: str) -> None:
    policies, source = _policies(name), _server(name, server)
    for target in (_API_SERVER, _INTERNET, _METADATA, _STRANGER, _STEP, _DISPATCHER):
        for port in (80, 443, 5000, 6379, 6443, 8080):
            assert not is_allowed(policies, source, target, port), (target, port)
    for other, port in _SERVERS.items():
        is_own = other == server == "minio"
        assert is_allowed(policies, source, _server(name, other), port) is is_own
    if server == "rabbitmq":
        assert is_allowed(policies, source, source, 4369)
        assert is_allowed(policies, source, source, 25672)
    assert is_allowed(policies, source, _DNS, 53, "UDP") is (server != "redis")


@pytest.mark.parametrize("name", SHARED)
def test_k19_what_makes_the_bucket_reaches_the_object_store_alone(name: str) -> None:
    policies = _policies(name)
    labels = pod_of(get(name, "Job", "minio-bucket")).labels
    job = End("conveyor", labels, address="10.4.0.14")
    assert is_allowed(policies, job, _server(name, "minio"), 9000)
    assert is_allowed(policies, job, _DNS, 53, "UDP")
    assert not is_allowed(policies, job, _server(name, "redis"), 6379)
    assert not is_allowed(policies, job, _API_SERVER, 443)


def test_keda_may_ask_rabbitmq_for_numbers_where_it_is_used() -> None:
    keda = End("keda", {"app": "keda-operator"})
    for name, is_used in (("shared", True), ("cluster", False)):
        policies, rabbitmq = _policies(name), _server(name, "rabbitmq")
        assert is_allowed(policies, keda, rabbitmq, 15672) is is_used
        assert not is_allowed(policies, keda, rabbitmq, 5672)
        assert not is_allowed(policies, _DISPATCHER, rabbitmq, 15672)


def _server(name: str, server: str) -> End:
    pod = pod_of(get(name, "StatefulSet", server))
    ports = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
    return End("conveyor", pod.labels, address="10.4.0.11", ports=ports)


def test_prometheus_and_keda_are_let_in_where_they_are_used() -> None:
    prometheus = End("monitoring", {"app.kubernetes.io/name": "prometheus"})
    keda = End("keda", {"app": "keda-operator"})
    for name, is_used in (("everything", True), ("minikube", False)):
        policies = _policies(name)
        assert is_allowed(policies, prometheus, _DISPATCHER, 8080) is is_used
        assert is_allowed(policies, prometheus, _STEP, 5000) is is_used
        assert is_allowed(policies, keda, _DISPATCHER, 8080) is is_used
        assert not is_allowed(policies, keda, _STEP, 5000)


@pytest.mark.parametrize("name", WHOLE)
def test_dispatchers_and_steps_reach_the_collector_of_spans_where_it_is_used(name: str) -> None:
    policies, is_used = _policies(name), name in ("everything", "shared")
    collector = End("observability", {"app": "collector"}, address="10.4.0.15")
    for source in (_DISPATCHER, _STEP, _FIRST_STEP):
        assert is_allowed(policies, source, collector, 4318) is is_used
        assert not is_allowed(policies, source, collector, 80)
    if is_used:
        assert is_allowed(policies, _STEP, _DNS, 53, "UDP")
        assert not is_allowed(policies, collector, _STEP, 5000)


@pytest.mark.parametrize("name", NAMES)
def test_k22_no_service_opens_a_port_of_the_nodes(name: str) -> None:
    for service in find(name, "Service"):
        assert service["spec"]["type"] == "ClusterIP"
        assert not any("nodePort" in port for port in service["spec"]["ports"])
