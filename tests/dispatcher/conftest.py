from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.steady_loop import SteadyLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Limits are short here, and must not run out because the machine is busy."""
    return {"steady": SteadyLoop}


@pytest.fixture
async def client() -> AsyncIterator[ReplicaClient]:
    """A client of replicas that is open."""
    opened = ReplicaClient()
    await opened.start()
    yield opened
    await opened.close()
