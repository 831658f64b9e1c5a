from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dispatcher.queues.base import JobQueue
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.storage.writer import Writer
from tests.dispatcher.queues.taking import CAPACITY

BACKENDS: dict[str, Callable[[Writer], JobQueue]] = {
    "memory": lambda _: MemoryJobQueue(capacity=CAPACITY),
    "sqlite": lambda writer: SqliteJobQueue(writer, capacity=CAPACITY),
}


@pytest.fixture(params=BACKENDS)
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobQueue]:
    """A queue of each backend."""
    writer = Writer(tmp_path)
    backend = BACKENDS[request.param](writer)
    await backend.start()
    yield backend
    await backend.close()
    await writer.close()
