from collections.abc import AsyncIterator

import pytest

from dispatcher.pools.client import ReplicaClient


@pytest.fixture
async def client() -> AsyncIterator[ReplicaClient]:
    """A client of replicas that is open."""
    opened = ReplicaClient()
    await opened.start()
    yield opened
    await opened.close()
