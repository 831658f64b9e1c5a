from collections.abc import Iterator

import pytest

from tests.kubernetes_api.cluster import Cluster, running_cluster
from tests.kubernetes_api.raw_client import RawClient


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as started:
        yield started


@pytest.fixture
def api(cluster: Cluster) -> Iterator[RawClient]:
    with RawClient(cluster) as client:
        yield client
