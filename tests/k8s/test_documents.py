"""What the documents say of a deployment is what its manifests are, and what was measured."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from kubernetes.utils import parse_quantity

from tests.k8s.manifests import find, get, pod_of, pods
from tests.k8s.rendering import MANIFESTS, ROOT

_README: Final = ROOT / "README.md"
_DOCUMENTS: Final = [
    pytest.param(path, id=str(path.relative_to(ROOT)))
    for path in (_README, MANIFESTS / "README.md")
]
_APPLY: Final = "kubectl apply -k k8s/overlays/cluster\n```"


def _requests(name: str) -> tuple[Decimal, Decimal]:
    """Return the cores and GiB that all pods which stay request, autoscaled ones at their least."""
    least = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]["minReplicas"]
        for one in find(name, "HorizontalPodAutoscaler")
    }
    cores = memory = Decimal(0)
    for pod in (pod for pod in pods(name) if pod.is_endless):
        requests = pod.container["resources"]["requests"]
        count = least.get(pod.owner.partition("/")[2], pod.replicas)
        cores += parse_quantity(requests["cpu"]) * count
        memory += parse_quantity(requests["memory"]) * count
    return cores, memory / 2**30


def _secrets(name: str) -> set[str]:
    """Return the Secrets that pods wait for."""
    volumes = [volume for pod in pods(name) for volume in pod.spec["volumes"]]
    entries = [entry for pod in pods(name) for entry in pod.container["env"]]
    return {volume["secret"]["secretName"] for volume in volumes if "secret" in volume} | {
        reference["name"]
        for entry in entries
        if (reference := entry.get("valueFrom", {}).get("secretKeyRef"))
    }


@pytest.mark.parametrize("path", _DOCUMENTS)
def test_the_requests_that_are_told_are_those_of_the_pods(path: Path) -> None:
    told = re.findall(r"([\d.]+) CPU(?:, | and )([\d.]+) GiB", path.read_text())
    amounts = {(Decimal(cores), Decimal(memory)) for cores, memory in told}
    assert _requests("cluster") in amounts
    assert amounts <= {_requests("cluster"), _requests("minikube")}


def test_the_readme_makes_every_secret_before_the_pods_that_wait_for_it() -> None:
    before, found, _ = _README.read_text().partition(_APPLY)
    assert found
    made = set(re.findall(r"create secret generic (\S+)", before.rpartition("```bash")[2]))
    assert made == _secrets("cluster") == {"conveyor-servers", "dispatcher-api-keys"}


def test_what_stays_without_tls_is_said() -> None:
    (row,) = re.findall(r"^\| `servers-tls` .*", (MANIFESTS / "README.md").read_text(), re.M)
    ports = pod_of(get("shared", "StatefulSet", "rabbitmq")).container["ports"]
    (between_nodes,) = (port["containerPort"] for port in ports if port["name"] == "nodes")
    config = "".join(path.read_text() for path in MANIFESTS.rglob("*.conf"))
    assert "inet_tls" not in config
    assert f"each other without it (port {between_nodes})" in row


def test_files_that_comments_name_are_there() -> None:
    named = {
        (path, name)
        for path in MANIFESTS.rglob("*.yaml")
        for comment in re.findall(r"#.*", path.read_text())
        for name in re.findall(r"[\w.-]+(?:/[\w.-]+)+\.(?:yaml|md|sh)\b", comment)
    }
    assert named
    folders = (ROOT, MANIFESTS, MANIFESTS / "components")
    assert not [
        (path, name)
        for path, name in named
        if not any((folder / name).exists() for folder in folders)
    ]


def test_a_lost_redis_is_told_to_refuse_where_it_was_measured_to() -> None:
    measured = (ROOT / "docs" / "faults.md").read_text()
    (refused,) = re.findall(r"^\| Redis killed, 8 s \| (\d+) \|", measured, re.M)
    (row,) = re.findall(r"^\| Redis \|.*", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    assert ("refused" in row) is (int(refused) > 0)
