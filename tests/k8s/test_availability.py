"""Rolling, draining and scaling lose nothing (security.md K23 to K29)."""

from typing import Final

import pytest

from step_app.__main__ import _DRAIN_S as STEP_DRAIN_S
from tests.k8s.manifests import (
    NAMES,
    WHOLE,
    Pod,
    different_pods,
    dispatcher_pod,
    find,
    get,
    pods,
    selects,
)

_PODS: Final = [pytest.param(pod, id=name) for name, pod in different_pods()]
_AUTOSCALED: Final = ("HorizontalPodAutoscaler", "ScaledObject")
_LAST_ANSWERS_S: Final = 10
"""Polls of the last results, the end of connections, and what runs beside the server."""


@pytest.mark.parametrize("pod", _PODS)
def test_k23_readiness_and_liveness_are_different_questions(pod: Pod) -> None:
    container = pod.container
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    # A model is loaded before a replica is asked whether it lives.
    started = "/readyz" if pod.is_step else "/livez"
    assert container["startupProbe"]["httpGet"] == {"path": started, "port": "http"}
    assert [port["name"] for port in container["ports"]] == ["http"]


@pytest.mark.parametrize("pod", _PODS)
def test_k23_no_probe_fails_because_of_work(pod: Pod) -> None:
    container = pod.container
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert container[name]["timeoutSeconds"] >= 5
    liveness, startup = container["livenessProbe"], container["startupProbe"]
    assert liveness["failureThreshold"] * liveness["periodSeconds"] >= 60
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 300


@pytest.mark.parametrize("pod", _PODS)
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
    for pod in pods(name):
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
def test_k26_replicas_of_a_step_are_spread_over_nodes(pod: Pod) -> None:
    if pod.is_step:
        (spread,) = pod.spec["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
        assert selects(spread["labelSelector"], pod.labels)


@pytest.mark.parametrize("name", [*WHOLE, "dispatcher"])
def test_k27_no_two_pods_ever_write_the_database(name: str) -> None:
    pod = dispatcher_pod(name)
    assert pod.replicas == 1
    assert pod.strategy == "Recreate"
    (claim,) = find(name, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    claims = [volume.get("persistentVolumeClaim") for volume in pod.spec["volumes"]]
    assert {"claimName": claim["metadata"]["name"]} in claims


@pytest.mark.parametrize("name", NAMES)
def test_k29_nothing_scales_the_dispatcher(name: str) -> None:
    for scaler in (found for kind in _AUTOSCALED for found in find(name, kind)):
        target = scaler["spec"]["scaleTargetRef"]
        assert target["kind"] == "Deployment"
        assert target["name"] == "default-step-0"
        assert scaler["metadata"]["namespace"] == "conveyor-steps"


@pytest.mark.parametrize("name", NAMES)
def test_no_deployment_has_two_autoscalers(name: str) -> None:
    assert sum(len(find(name, kind)) for kind in _AUTOSCALED) <= 1


def test_where_an_autoscaler_rules_the_manifest_does_not_say_how_many() -> None:
    assert "replicas" not in get("cluster", "Deployment", "default-step-0")["spec"]
    assert "replicas" in get("cluster", "Deployment", "operations-step-0")["spec"]


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
        (port,) = spec["ports"]
        assert port["targetPort"] == found[0].container["ports"][0]["name"] == "http"
        assert port["port"] == found[0].container["ports"][0]["containerPort"]


@pytest.mark.parametrize("name", NAMES)
def test_every_deployment_selects_its_own_pods_and_no_others(name: str) -> None:
    for workload in find(name, "Deployment"):
        selector = workload["spec"]["selector"]
        assert selects(selector, workload["spec"]["template"]["metadata"]["labels"])
        others = [pod for pod in pods(name) if selects(selector, pod.labels)]
        assert len(others) == 1
