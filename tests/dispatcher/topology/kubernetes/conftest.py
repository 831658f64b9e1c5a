from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.launcher import KubernetesLauncher
from tests.dispatcher.topology.kubernetes.pipelines import POLICY
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster, running_cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of this test's own."""
    with running_cluster() as started:
        yield started


@pytest.fixture
async def api(cluster: Cluster, tmp_path: Path) -> AsyncIterator[ClusterApi]:
    """The way to it, as its administrator."""
    opened = ClusterApi(namespace=STEPS_NAMESPACE, kubeconfig=cluster.kubeconfig(tmp_path))
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def launcher(api: ClusterApi) -> AsyncIterator[KubernetesLauncher]:
    """What makes pipelines there."""
    opened = KubernetesLauncher(api, policy=POLICY)
    yield opened
    await opened.close()
