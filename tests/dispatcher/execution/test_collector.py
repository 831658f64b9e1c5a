import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.execution.collector import Collector
from dispatcher.jobs import Batch, Output, SentFile
from dispatcher.results.memory import MemoryResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.waiting import turns, until

DIGESTS = ["a" * 64, "b" * 64]


@asynccontextmanager
async def collecting(
    collector: Collector, results: MemoryResultStore | None = None
) -> AsyncIterator["asyncio.Task[None]"]:
    kept = results or MemoryResultStore(retention_s=60, retention_count=10)
    task = asyncio.create_task(collector.run(kept))
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def filled(*, holds: int = 1) -> MemoryBlobStore:
    blobs = MemoryBlobStore()
    for digest in DIGESTS:
        for _ in range(holds):
            await blobs.put(digest, b"picture")
    return blobs


def output(digest: str) -> Output:
    return Output(digest, "image/png", 4, 3, {})


async def test_the_pictures_of_a_dropped_job_are_let_go() -> None:
    blobs = await filled()
    collector = Collector(blobs=blobs)
    async with collecting(collector):
        outputs = tuple(output(digest) for digest in DIGESTS)
        collector.collect(completed(make_job(), outputs=outputs))
        await until(lambda: blobs.total_bytes() == 0)


async def test_the_files_of_a_dropped_batch_are_let_go() -> None:
    blobs = await filled()
    collector = Collector(blobs=blobs)
    files = [SentFile("job", "a.png", digest, "image/png") for digest in DIGESTS]
    nothing = SentFile("job", "a.txt", "", "")
    async with collecting(collector):
        collector.collect(Batch(id="batch", created_at=0.0, files=(nothing, *files)))
        await until(lambda: blobs.total_bytes() == 0)


async def test_one_record_ends_one_hold() -> None:
    blobs = await filled(holds=2)
    collector = Collector(blobs=blobs)
    async with collecting(collector):
        collector.collect(completed(make_job(), outputs=(output(DIGESTS[0]),)))
        await turns(5)
        assert await blobs.get(DIGESTS[0]) == b"picture"
        collector.collect(completed(make_job(), outputs=(output(DIGESTS[0]),)))
        await until(lambda: blobs.total_bytes() == len(b"picture"))
        assert await blobs.get(DIGESTS[1]) == b"picture"


async def test_a_job_without_pictures_lets_go_of_nothing() -> None:
    blobs = await filled()
    collector = Collector(blobs=blobs)
    async with collecting(collector):
        for job in (completed(make_job()), failed(make_job()), make_job(digest=DIGESTS[0])):
            collector.collect(job)
        await turns(5)
        assert blobs.total_bytes() == 2 * len(b"picture")


async def test_what_was_noted_before_it_runs_is_let_go_when_it_does() -> None:
    blobs = await filled()
    collector = Collector(blobs=blobs)
    collector.collect(completed(make_job(), outputs=(output(DIGESTS[0]), output(DIGESTS[1]))))
    async with collecting(collector):
        await until(lambda: blobs.total_bytes() == 0)


async def test_now_and_then_the_store_drops_what_is_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.execution.collector._INTERVAL_S", 0.001)
    blobs = await filled()
    collector = Collector(blobs=blobs)
    results = MemoryResultStore(retention_s=0.01, retention_count=10, on_dropped=collector.collect)
    outputs = tuple(output(digest) for digest in DIGESTS)
    await results.add(completed(make_job(), outputs=outputs))
    async with collecting(collector, results):
        await until(lambda: results.count() == 0)
        await until(lambda: blobs.total_bytes() == 0)


async def test_the_store_is_looked_after_although_there_is_always_something_to_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.execution.collector._INTERVAL_S", 0.2)
    collector = Collector(blobs=await filled())
    results = MemoryResultStore(retention_s=0.001, retention_count=10)
    await results.add(completed(make_job()))
    async with collecting(collector, results):
        async with asyncio.timeout(3):
            while results.count():
                collector.collect(completed(make_job(), outputs=(output(DIGESTS[0]),)))
                await asyncio.sleep(0)
