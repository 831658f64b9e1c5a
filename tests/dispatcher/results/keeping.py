"""A result store in a folder, and what is in it for the process that comes after."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from dispatcher.jobs import Delivery
from dispatcher.results.sqlite import SqliteResultStore
from dispatcher.storage.writer import Writer
from tests.dispatcher.results.ending import Dropped
from tests.dispatcher.storage.crashing import killed, writing

Act = Callable[[SqliteResultStore], Awaitable[None]]
URL = "https://hooks.example.com/"


@asynccontextmanager
async def results_in(
    folder: Path,
    *,
    retention_s: float = 60.0,
    retention_count: int = 1000,
    dropped: Dropped | None = None,
    due: list[Delivery] | None = None,
) -> AsyncIterator[SqliteResultStore]:
    async with writing(folder) as writer:
        results = SqliteResultStore(
            writer,
            retention_s=retention_s,
            retention_count=retention_count,
            key_retention_s=120.0,
            on_dropped=(dropped or Dropped()).records.append,
            on_due=([] if due is None else due).append,
        )
        await results.start()
        yield results
        await results.close()


def writer_of(results: SqliteResultStore) -> Writer:
    return results._writer


async def expect_both_ways(folder: Path, act: Act, expected: Act) -> None:
    """Check what is there after a kill, and after an end in order."""
    async with results_in(folder) as results:
        await act(results)
        await writer_of(results).catch_up()
        left = killed(folder)
    for place in (left, folder):
        async with results_in(place) as again:
            await expected(again)
