from collections.abc import AsyncIterator, Callable

import pytest

from dispatcher.results.base import OnDropped, ResultStore
from dispatcher.results.memory import MemoryResultStore
from tests.dispatcher.results.ending import RETENTION_COUNT, RETENTION_S, Dropped

BACKENDS: dict[str, Callable[[OnDropped], ResultStore]] = {
    "memory": lambda on_dropped: MemoryResultStore(
        retention_s=RETENTION_S, retention_count=RETENTION_COUNT, on_dropped=on_dropped
    ),
}


@pytest.fixture
def dropped() -> Dropped:
    """What the store of this test dropped."""
    return Dropped()


@pytest.fixture(params=BACKENDS)
async def results(request: pytest.FixtureRequest, dropped: Dropped) -> AsyncIterator[ResultStore]:
    """A store of each backend."""
    backend = BACKENDS[request.param](dropped.records.append)
    await backend.start()
    yield backend
    await backend.close()
