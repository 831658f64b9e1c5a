"""The shipped manifests through ``kubectl`` itself, in the order of the README."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster

K8S = Path(__file__).resolve().parents[2] / "k8s"

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")


def kubectl(cluster: Cluster, folder: Path, *arguments: str) -> str:
    """Run kubectl; what it cannot do fails the test."""
    path = folder / "kubeconfig-administrator.yaml"
    if not path.exists():
        cluster.kubeconfig(folder)
    command = ["kubectl", f"--kubeconfig={path}", f"--cache-dir={folder / 'cache'}", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


async def test_the_plain_manifests_are_applied_in_order_and_deleted(
    cluster: Cluster, tmp_path: Path
) -> None:
    # The stand-in checks every field itself; it has no OpenAPI document for kubectl to do so.
    for name in ("dispatcher", "deployment", "hpa"):
        kubectl(cluster, tmp_path, "apply", "--validate=false", "-f", str(K8S / f"{name}.yaml"))
    assert not cluster.warnings
    await until(lambda: all_ready(cluster, "conveyor"))
    await until(lambda: all_ready(cluster, "conveyor-steps"))
    kubectl(cluster, tmp_path, "delete", "--wait=false", "-f", str(K8S / "deployment.yaml"))
    kinds = ("ConfigMap", "Deployment", "ReplicaSet", "Pod", "Service", "EndpointSlice")
    await until(lambda: not any(cluster.objects(kind) for kind in kinds))


def all_ready(cluster: Cluster, namespace: str) -> bool:
    deployments = cluster.objects("Deployment", namespace=namespace)
    return bool(deployments) and all(
        one["status"].get("readyReplicas") == one["spec"]["replicas"] for one in deployments
    )
