"""The steps' namespace is bounded, and what is shipped fits into it (security.md K15)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pytest
from kubernetes.utils import parse_quantity

from tests.k8s.manifests import WHOLE, dispatcher_pod, get, pods

_AMOUNTS: Final = ("cpu", "memory", "ephemeral-storage")
_LARGEST_DEFAULT: Final[Mapping[str, str]] = {
    "cpu": "2",
    "memory": "2Gi",
    "ephemeral-storage": "2Gi",
}
"""What a step of a client's pipeline is limited to when the client says nothing."""
_MOST_REPLICAS: Final = 8
"""Of the default pipeline, whoever scales it."""


def _quota(name: str) -> Mapping[str, str]:
    hard = get(name, "ResourceQuota", "steps", "conveyor-steps")["spec"]["hard"]
    assert isinstance(hard, dict)
    return hard


def _range(name: str) -> Mapping[str, Any]:
    (limits,) = get(name, "LimitRange", "steps", "conveyor-steps")["spec"]["limits"]
    assert limits["type"] == "Container"
    assert isinstance(limits, dict)
    return limits


@pytest.mark.parametrize("name", WHOLE)
def test_k15_pods_processors_memory_and_objects_are_bounded(name: str) -> None:
    quota = _quota(name)
    for amount in _AMOUNTS:
        assert parse_quantity(quota[f"requests.{amount}"]) > 0
        assert parse_quantity(quota[f"limits.{amount}"]) > 0
    for kind in ("pods", "configmaps", "services", "count/deployments.apps"):
        assert 0 < int(quota[kind]) <= 256


@pytest.mark.parametrize("name", WHOLE)
def test_k15_the_steps_namespace_can_hold_no_secret_volume_or_load_balancer(name: str) -> None:
    quota = _quota(name)
    for kind in ("secrets", "persistentvolumeclaims", "services.loadbalancers"):
        assert quota[kind] == "0"


@pytest.mark.parametrize("name", WHOLE)
def test_node_ports_are_there_only_where_steps_may_be_called_directly(name: str) -> None:
    has_ports = dispatcher_pod(name).environment["DISPATCHER_STEP_NODE_PORT"] == "true"
    assert (int(_quota(name)["services.nodeports"]) > 0) is has_ports


@pytest.mark.parametrize("name", WHOLE)
def test_a_container_that_names_nothing_gets_something(name: str) -> None:
    limits = _range(name)
    for amount in _AMOUNTS:
        request, default, most = (
            parse_quantity(limits[kind][amount]) for kind in ("defaultRequest", "default", "max")
        )
        assert 0 < request <= default <= most
        assert parse_quantity(_LARGEST_DEFAULT[amount]) <= most


@pytest.mark.parametrize("name", WHOLE)
def test_the_built_in_pipelines_fit_into_the_quota_when_they_are_largest(name: str) -> None:
    quota, most = _quota(name), _range(name)["max"]
    used: dict[str, Decimal] = {}
    for pod in (pod for pod in pods(name) if pod.is_step):
        for kind in ("requests", "limits"):
            for amount in _AMOUNTS:
                one = parse_quantity(pod.container["resources"][kind][amount])
                assert one <= parse_quantity(most[amount])
                key = f"{kind}.{amount}"
                used[key] = used.get(key, Decimal(0)) + one * _MOST_REPLICAS
    for key, total in used.items():
        # At least half is left for the pipelines of clients.
        assert total * 2 <= parse_quantity(quota[key]), key


def test_minikube_fits_on_one_node_of_two_processors_and_four_gigabytes() -> None:
    requests = [
        {
            name: parse_quantity(text)
            for name, text in pod.container["resources"]["requests"].items()
        }
        for pod in pods("minikube")
        for _ in range(pod.replicas)
    ]
    # The cluster's own pods ask for about 0.9 of the processors.
    assert sum(one["cpu"] for one in requests) <= Decimal("1.0")
    assert sum(one["memory"] for one in requests) <= 2 * 1024**3
