from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dispatcher.jobs import Delivery
from dispatcher.results.base import OnDropped, OnDue, ResultStore
from dispatcher.results.memory import MemoryResultStore
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.storage.writer import Writer
from tests.dispatcher.results.ending import (
    KEY_RETENTION_S,
    RETENTION_COUNT,
    RETENTION_S,
    Dropped,
)

BACKENDS: dict[str, Callable[[Writer, OnDropped, OnDue], ResultStore]] = {
    "memory": lambda _, on_dropped, on_due: MemoryResultStore(
        retention_s=RETENTION_S,
        retention_count=RETENTION_COUNT,
        key_retention_s=KEY_RETENTION_S,
        on_dropped=on_dropped,
        on_due=on_due,
    ),
    "sqlite": lambda writer, on_dropped, on_due: SqliteResultStore(
        writer,
        retention_s=RETENTION_S,
        retention_count=RETENTION_COUNT,
        key_retention_s=KEY_RETENTION_S,
        on_dropped=on_dropped,
        on_due=on_due,
    ),
}


@pytest.fixture
def dropped() -> Dropped:
    """What the store of this test dropped."""
    return Dropped()


@pytest.fixture
def due() -> list[Delivery]:
    """The webhooks that the store of this test handed over."""
    return []


@pytest.fixture(params=BACKENDS)
async def results(
    request: pytest.FixtureRequest, tmp_path: Path, dropped: Dropped, due: list[Delivery]
) -> AsyncIterator[ResultStore]:
    """A store of each backend."""
    writer = Writer(tmp_path)
    backend = BACKENDS[request.param](writer, dropped.records.append, due.append)
    await backend.start()
    yield backend
    await backend.close()
    await writer.close()
