from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.topology.contract.homes import Home, KubernetesHome, LocalHome
from tests.kubernetes_api.cluster import running_cluster


@pytest.fixture(params=["local", "kubernetes"])
async def home(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    client: ReplicaClient,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Home]:
    """Each backend of a topology, with nothing in it."""
    if request.param == "local":
        local = LocalHome(tmp_path / "topology", client, monkeypatch)
        await local.open()
        yield local
        await local.close()
        return
    with running_cluster() as cluster:
        remote = KubernetesHome(cluster, tmp_path)
        await remote.open()
        yield remote
        await remote.close()
        assert not cluster.warnings, "what is made is not against Pod Security"
