"""Rolling, draining and scaling lose nothing (security.md K23 to K29)."""

from typing import Final

import pytest

from step_app.__main__ import _DRAIN_S as STEP_DRAIN_S
from tests.k8s.manifests import (
    NAMES,
    SHARED,
    WHOLE,
    Pod,
    different_pods,
    dispatcher_pod,
    find,
    get,
    pod_of,
    pods,
    selects,
    worker_pod,
)

_PODS: Final = [pytest.param(pod, id=name) for name, pod in different_pods()]
_OWN: Final = [pytest.param(pod, id=name) for name, pod in different_pods() if pod.is_own]
_SERVERS: Final = [
    pytest.param(pod, id=name)
    for name, pod in different_pods()
    if pod.is_endless and not pod.is_own
]
_ALONE: Final = sorted({*WHOLE, "dispatcher"} - set(SHARED))
"""Where one dispatcher has a database of its own."""
_ACTIONS: Final = ("httpGet", "tcpSocket", "exec")
_AUTOSCALED: Final = ("HorizontalPodAutoscaler", "ScaledObject")
_LAST_ANSWERS_S: Final = 10
"""Polls of the last results, the end of connections, and what runs beside the server."""


@pytest.mark.parametrize("pod", _OWN)
def test_k23_readiness_and_liveness_are_different_questions(pod: Pod) -> None:
    container = pod.container
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    # A model is loaded before a replica is asked whether it lives.
    started = "/readyz" if pod.is_step else "/livez"
    assert container["startupProbe"]["httpGet"] == {"path": started, "port": "http"}
    assert [port["name"] for port in container["ports"]] == ["http"]


@pytest.mark.parametrize("pod", _SERVERS)
def test_k23_a_server_that_is_not_ready_is_left_alone(pod: Pod) -> None:
    container = pod.container
    names = {port["name"] for port in container["ports"]}
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        ((_, action),) = ((k, v) for k, v in container[probe].items() if k in _ACTIONS)
        assert action["port"] in names
    readiness, liveness = container["readinessProbe"], container["livenessProbe"]
    assert liveness["failureThreshold"] > readiness["failureThreshold"]


def test_a_paused_minority_of_rabbitmq_is_not_killed() -> None:
    container = pod_of(get("cluster", "StatefulSet", "rabbitmq")).container
    # It closes the port of clients; the one between nodes stays.
    assert container["readinessProbe"]["tcpSocket"] == {"port": "amqp"}
    assert container["livenessProbe"]["tcpSocket"] == {"port": "nodes"}


@pytest.mark.parametrize("pod", [*_OWN, *_SERVERS])
def test_k23_no_probe_fails_because_of_work(pod: Pod) -> None:
    container = pod.container
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert container[name]["timeoutSeconds"] >= 5
    liveness, startup = container["livenessProbe"], container["startupProbe"]
    assert liveness["failureThreshold"] * liveness["periodSeconds"] >= 60
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 300


@pytest.mark.parametrize("pod", _OWN)
def test_k24_a_pod_ends_after_its_address_is_known_to_be_gone_and_its_work_done(pod: Pod) -> None:
    pause_s = pod.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause_s >= 5
    if pod.is_step:
        drain_s = float(STEP_DRAIN_S)
    else:
        drain_s = float(pod.environment["DISPATCHER_DRAIN_TIMEOUT_S"]) + _LAST_ANSWERS_S
    assert pod.spec["terminationGracePeriodSeconds"] >= pause_s + drain_s + 5


@pytest.mark.parametrize("name", NAMES)
def test_k25_each_deployment_has_one_budget_that_lets_nodes_drain(name: str) -> None:
    budgets = find(name, "PodDisruptionBudget")
    for pod in (pod for pod in pods(name) if pod.is_endless):
        own = [
            budget["spec"]
            for budget in budgets
            if budget["metadata"]["namespace"] == pod.namespace
            and selects(budget["spec"]["selector"], pod.labels)
        ]
        # Two for one pod would let it never be evicted.
        assert len(own) == 1
        assert own[0]["maxUnavailable"] == 1
        assert "minAvailable" not in own[0]
        # A pod that is broken anyway must not hold up a drain.
        assert own[0]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("pod", _PODS)
def test_k26_replicas_are_spread_over_nodes(pod: Pod) -> None:
    if pod.is_step or pod.replicas > 1:
        (spread,) = pod.spec["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
        assert selects(spread["labelSelector"], pod.labels)


@pytest.mark.parametrize("name", _ALONE)
def test_k27_no_two_pods_ever_write_the_database(name: str) -> None:
    pod = dispatcher_pod(name)
    assert pod.replicas == 1
    assert pod.strategy == "Recreate"
    (claim,) = find(name, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    claims = [volume.get("persistentVolumeClaim") for volume in pod.spec["volumes"]]
    assert {"claimName": claim["metadata"]["name"]} in claims


@pytest.mark.parametrize("name", SHARED)
def test_several_dispatchers_keep_nothing_and_replace_each_other_one_by_one(name: str) -> None:
    for pod in (dispatcher_pod(name), worker_pod(name)):
        assert pod.strategy == "RollingUpdate"
        assert not any("persistentVolumeClaim" in volume for volume in pod.spec["volumes"])
        assert pod.environment["DISPATCHER_QUEUE"] == "rabbitmq"
    assert not find(name, "PersistentVolumeClaim")


@pytest.mark.parametrize("name", SHARED)
def test_k28_rabbitmq_has_three_nodes_with_volumes_and_minio_four(name: str) -> None:
    for server, nodes in (("rabbitmq", 3), ("minio", 4)):
        workload = get(name, "StatefulSet", server)["spec"]
        assert workload["replicas"] == nodes
        assert workload["podManagementPolicy"] == "Parallel"
        (claim,) = workload["volumeClaimTemplates"]
        assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
        headless = get(name, "Service", workload["serviceName"])["spec"]
        assert headless["clusterIP"] == "None"
        assert headless["publishNotReadyAddresses"] is True


@pytest.mark.parametrize("name", NAMES)
def test_k29_nothing_scales_a_dispatcher_with_a_database(name: str) -> None:
    for target in _autoscaled(name):
        assert target.is_step or target.environment["DISPATCHER_QUEUE"] == "rabbitmq"


@pytest.mark.parametrize("name", NAMES)
def test_no_deployment_has_two_autoscalers(name: str) -> None:
    targets = [target.owner for target in _autoscaled(name)]
    assert len(set(targets)) == len(targets)


@pytest.mark.parametrize("name", SHARED)
def test_where_an_autoscaler_rules_the_manifest_does_not_say_how_many(name: str) -> None:
    ruled = {target.owner for target in _autoscaled(name)}
    assert {"Deployment/default-step-0", "Deployment/dispatcher"} <= ruled
    for workload in find(name, "Deployment"):
        is_ruled = f"Deployment/{workload['metadata']['name']}" in ruled
        assert ("replicas" not in workload["spec"]) is is_ruled


def _autoscaled(name: str) -> list[Pod]:
    """Return the pods whose number something in the cluster decides about, each as often."""
    scalers = [found for kind in _AUTOSCALED for found in find(name, kind)]
    targets = [
        (one["spec"]["scaleTargetRef"], one["metadata"]["namespace"])
        for one in scalers
        if name != "hpa"  # there what is scaled is in another file
    ]
    assert all(target["kind"] == "Deployment" for target, _ in targets)
    return [
        pod_of(get(name, "Deployment", target["name"], namespace)) for target, namespace in targets
    ]


@pytest.mark.parametrize("pod", _PODS)
def test_a_replica_has_as_many_threads_as_it_may_use_cores(pod: Pod) -> None:
    if pod.is_step:
        cores = pod.container["resources"]["limits"]["cpu"]
        assert pod.environment["STEP_THREADS"] == cores


@pytest.mark.parametrize("name", [name for name in NAMES if find(name, "Service")])
def test_every_service_finds_the_pods_it_is_for(name: str) -> None:
    for service in find(name, "Service"):
        metadata, spec = service["metadata"], service["spec"]
        found = [
            pod
            for pod in pods(name)
            if pod.namespace == metadata["namespace"]
            and spec["selector"].items() <= pod.labels.items()
        ]
        assert len(found) == 1
        known = {port["name"]: port["containerPort"] for port in found[0].container["ports"]}
        for port in spec["ports"]:
            assert known[port["targetPort"]] == port["port"]


@pytest.mark.parametrize("name", NAMES)
def test_every_deployment_selects_its_own_pods_and_no_others(name: str) -> None:
    for workload in (*find(name, "Deployment"), *find(name, "StatefulSet")):
        selector = workload["spec"]["selector"]
        assert selects(selector, workload["spec"]["template"]["metadata"]["labels"])
        others = [pod for pod in pods(name) if selects(selector, pod.labels)]
        assert len(others) == 1
