from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.topology.workshop import Workshop


@pytest.fixture
async def workshop(tmp_path: Path, client: ReplicaClient) -> AsyncIterator[Workshop]:
    """Launchers of tiny replicas in a folder of their own; nothing of them is left."""
    opened = Workshop(tmp_path / "topology", client)
    yield opened
    await opened.close()
