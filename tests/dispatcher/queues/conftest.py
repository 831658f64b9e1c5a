from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dispatcher.queues.base import JobQueue
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.queues.rabbitmq import RabbitmqJobQueue
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.storage.writer import Writer
from tests.dispatcher.queues.settled import OpenQueue, SettledQueue, shared_queue
from tests.dispatcher.queues.taking import CAPACITY

BACKENDS: dict[str, Callable[[Writer], JobQueue]] = {
    "memory": lambda _: MemoryJobQueue(capacity=CAPACITY),
    "sqlite": lambda writer: SqliteJobQueue(writer, capacity=CAPACITY),
}


@pytest.fixture(params=[*BACKENDS, "rabbitmq"])
async def queue(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[JobQueue]:
    """A queue of each backend."""
    if request.param == "rabbitmq":
        # A look at the figures during a change would count, were it long ago that one was clean.
        monkeypatch.setattr("dispatcher.queues.shared_figures.STALE_AFTER_S", 3600)
        urls = [request.getfixturevalue(name) for name in ("rabbitmq_url", "redis_url")]
        async with shared_queue(*urls, kind=SettledQueue, capacity=CAPACITY) as shared:
            yield shared
        return
    writer = Writer(tmp_path)
    backend = BACKENDS[request.param](writer)
    await backend.start()
    yield backend
    await backend.close()
    await writer.close()


@pytest.fixture
async def open_queue(rabbitmq_url: str, redis_url: str) -> AsyncIterator[OpenQueue]:
    """Dispatchers that share one queue."""
    async with AsyncExitStack() as stack:

        async def open_one_more(**settings: Any) -> RabbitmqJobQueue:
            return await stack.enter_async_context(
                shared_queue(rabbitmq_url, redis_url, **settings)
            )

        yield open_one_more
