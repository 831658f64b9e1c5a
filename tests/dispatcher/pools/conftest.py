from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.pool import Pool
from tests.dispatcher.pools.loaded_lane import Loaded, load
from tests.dispatcher.pools.pooling import QUICK
from tests.dispatcher.scripted_replica import (
    serve,
)


@pytest.fixture
async def loaded(client: ReplicaClient) -> AsyncIterator[Loaded]:
    async with serve() as server:
        found = load(server, client=client)
        yield found
        await found.lane.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def make_pool(client: ReplicaClient, stack: AsyncExitStack) -> Callable[..., Pool]:
    def make(policy: HealthPolicy = QUICK, on_room: Callable[[], None] = lambda: None) -> Pool:
        pool = Pool("default/0", client=client, policy=policy, on_room=on_room)
        stack.push_async_callback(pool.close)
        return pool

    return make
