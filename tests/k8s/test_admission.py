"""A cluster takes the files in the order of the README, and the dispatcher finds what they make.

The cluster enforces schemas, Pod Security, quota and rights, as the real one does.
"""

import asyncio
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.discovery import KubernetesDiscovery
from dispatcher.topology.kubernetes.endpoints import parse_networks
from tests.dispatcher.waiting import until
from tests.k8s.manifests import Document, load
from tests.kubernetes_api.cluster import Cluster, running_cluster

_STEPS = "conveyor-steps"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as started:
        yield started


def _apply(cluster: Cluster, *files: str) -> Sequence[Document]:
    documents = [copy.deepcopy(dict(found)) for name in files for found in load(name)]
    for document in documents:
        cluster.apply(document)
    return documents


@pytest.mark.parametrize(
    "files", [("dispatcher", "deployment", "hpa"), ("cluster",)], ids=["plain", "cluster"]
)
async def test_everything_is_taken_without_a_warning_and_the_pods_run(
    cluster: Cluster, files: Sequence[str]
) -> None:
    documents = _apply(cluster, *files)
    wanted = sum(
        document["spec"].get("replicas", 1)
        for document in documents
        if document["kind"] == "Deployment" and document["metadata"]["namespace"] == _STEPS
    )

    def running() -> int:
        pods = cluster.objects("Pod", namespace=_STEPS)
        return sum(pod["status"].get("phase") == "Running" for pod in pods)

    await until(lambda: running() == wanted)
    assert not cluster.warnings


async def test_the_account_that_only_reads_finds_the_built_in_pipelines_and_their_pods(
    cluster: Cluster, tmp_path: Path
) -> None:
    _apply(cluster, "base")
    api = ClusterApi(
        namespace=_STEPS, kubeconfig=cluster.kubeconfig(tmp_path, account="conveyor/dispatcher")
    )
    await api.start()
    try:
        discovery = KubernetesDiscovery(api, pod_networks=parse_networks("127.64.0.0/10"))
        async with asyncio.timeout(20):
            async for records in discovery.snapshots():
                found = {record.key.pipeline_id: len(record.endpoints) for record in records}
                if sum(found.values()) == 4:
                    break
    finally:
        await api.close()
    assert found == {"default": 2, "operations": 2}
