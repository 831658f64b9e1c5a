from collections.abc import AsyncIterator, Callable

import pytest

from dispatcher.queues.base import JobQueue
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.queues.taking import CAPACITY

BACKENDS: dict[str, Callable[[], JobQueue]] = {
    "memory": lambda: MemoryJobQueue(capacity=CAPACITY),
}


@pytest.fixture(params=BACKENDS)
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[JobQueue]:
    """A queue of each backend."""
    backend = BACKENDS[request.param]()
    await backend.start()
    yield backend
    await backend.close()
