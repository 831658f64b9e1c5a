"""What waits survives the process, whether it ends or is killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dispatcher.errors import StorageFullError
from dispatcher.jobs import Priority
from dispatcher.queues.base import QueueFullError
from dispatcher.queues.sqlite import SqliteJobQueue
from dispatcher.storage.writer import Writer
from tests.dispatcher.queues.taking import LANE, job, jobs, put, take, take_all
from tests.dispatcher.records import make_job
from tests.dispatcher.storage.crashing import killed, writing
from tests.dispatcher.storage.writing import fill_up, make_space
from tests.dispatcher.waiting import turns

Afterwards = Callable[[SqliteJobQueue], Awaitable[None]]


@asynccontextmanager
async def queue_in(folder: Path, *, capacity: int = 100) -> AsyncIterator[SqliteJobQueue]:
    async with writing(folder) as writer:
        queue = SqliteJobQueue(writer, capacity=capacity)
        await queue.start()
        yield queue
        await queue.close()


def writer_of(queue: SqliteJobQueue) -> Writer:
    return queue._writer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def expect_both_ways(folder: Path, act: Afterwards, expected: Afterwards) -> None:
    """Check what is there after a kill, and after an end in order."""
    async with queue_in(folder) as queue:
        await act(queue)
        await writer_of(queue).catch_up()
        left = killed(folder)
    for place in (left, folder):
        async with queue_in(place) as again:
            await expected(again)


async def test_jobs_wait_again_in_their_order(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await put(queue, "a", "b", lane="one")
        await put(queue, "c", lane="two")
        await put(queue, "d", lane="one")

    async def expected(queue: SqliteJobQueue) -> None:
        assert (queue.depth(), queue.leased()) == (4, 0)
        assert sorted(queue.lanes()) == ["one", "two"]
        assert await take_all(queue, ["one", "two"]) == ["a", "b", "c", "d"]

    await expect_both_ways(folder, act, expected)


async def test_urgent_jobs_still_come_first(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await queue.put([job("bulk", Priority.BULK), job("normal"), job("high", Priority.HIGH)])

    async def expected(queue: SqliteJobQueue) -> None:
        assert await take_all(queue) == ["high", "normal", "bulk"]

    await expect_both_ways(folder, act, expected)


async def test_how_long_a_job_has_waited_still_counts(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        long_ago = time.time() - 3600
        await queue.put([make_job("patient", priority=Priority.BULK, queued_at=long_ago)])
        await queue.put([job("high", Priority.HIGH)])

    async def expected(queue: SqliteJobQueue) -> None:
        assert 3600 <= queue.oldest_age_s() < 3700
        assert await take_all(queue) == ["patient", "high"]

    await expect_both_ways(folder, act, expected)


async def test_a_clock_that_was_set_back_makes_no_job_younger_than_new(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await queue.put([make_job("of tomorrow", queued_at=time.time() + 24 * 3600)])

    async def expected(queue: SqliteJobQueue) -> None:
        assert 0 <= queue.oldest_age_s() < 60
        await put(queue, "later")
        assert await take_all(queue) == ["of tomorrow", "later"]

    await expect_both_ways(folder, act, expected)


async def test_what_was_leased_waits_again_and_counts_unless_it_was_given_back(
    folder: Path,
) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await put(queue, "a", "b", "c")
        await queue.nack(await take(queue))
        assert (await take(queue)).deliveries == 1
        await take(queue)

    async def expected(queue: SqliteJobQueue) -> None:
        leases = [await take(queue) for _ in range(3)]
        assert [(lease.job_id, lease.deliveries) for lease in leases] == [
            ("a", 2),
            ("b", 2),
            ("c", 1),
        ]

    await expect_both_ways(folder, act, expected)


async def test_a_lease_of_a_dead_process_is_void(folder: Path) -> None:
    async with queue_in(folder) as queue:
        await put(queue, "a")
        old = await take(queue)
        await writer_of(queue).catch_up()
        left = killed(folder)
    async with queue_in(left) as again:
        assert not await again.ack(old)
        assert not await again.nack(old)
        assert await take_all(again) == ["a"]


async def test_what_left_the_queue_is_not_there_again(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await put(queue, "acked", "withdrawn", "stays")
        await queue.ack(await take(queue))
        assert await queue.withdraw("withdrawn")

    async def expected(queue: SqliteJobQueue) -> None:
        assert await take_all(queue) == ["stays"]

    await expect_both_ways(folder, act, expected)


async def test_sizes_and_tenants_are_counted_again(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await queue.put([make_job("a", size_bytes=7, tenant="acme")])
        await queue.put([make_job("b", size_bytes=5, tenant="acme"), make_job("c", size_bytes=1)])

    async def expected(queue: SqliteJobQueue) -> None:
        assert queue.waiting_bytes() == 13
        assert (queue.waiting_of("acme"), queue.waiting_of("")) == (2, 1)
        assert queue.pending("default") == 3

    await expect_both_ways(folder, act, expected)


async def test_new_jobs_come_after_those_of_the_last_process(folder: Path) -> None:
    async def act(queue: SqliteJobQueue) -> None:
        await put(queue, "a", "b")
        await queue.ack(await take(queue))

    async def expected(queue: SqliteJobQueue) -> None:
        await put(queue, "c")
        assert await take_all(queue) == ["b", "c"]

    await expect_both_ways(folder, act, expected)


async def test_a_queue_that_is_over_its_capacity_after_a_start_takes_nothing_but_loses_nothing(
    folder: Path,
) -> None:
    async with queue_in(folder) as queue:
        await put(queue, "a", "b", "c")
    async with queue_in(folder, capacity=2) as again:
        with pytest.raises(QueueFullError):
            await put(again, "d")
        assert await take_all(again) == ["a", "b", "c"]


async def test_whoever_waits_for_jobs_is_woken_by_those_of_the_last_process(folder: Path) -> None:
    async with queue_in(folder) as queue:
        await put(queue, "a")
    async with queue_in(folder) as again, asyncio.timeout(5):
        await again.wait_for_more()


async def test_put_returns_once_the_jobs_are_safe(folder: Path) -> None:
    async with queue_in(folder) as queue:
        await queue.put(jobs("a", "b"))
        left = killed(folder)
    async with queue_in(left) as again:
        assert await take_all(again) == ["a", "b"]


async def test_nobody_is_given_a_job_before_it_is_safe(folder: Path) -> None:
    async with queue_in(folder) as queue:
        putting = asyncio.create_task(queue.put(jobs("a")))
        while not putting.done():
            assert queue.depth() == 0
            assert await queue.reserve([LANE]) is None
            await turns(1)
        assert queue.depth() == 1


async def test_jobs_that_are_being_committed_count_for_the_capacity(folder: Path) -> None:
    async with queue_in(folder, capacity=2) as queue:
        racing = [asyncio.create_task(queue.put(jobs(f"job-{n}"))) for n in range(5)]
        outcomes = await asyncio.gather(*racing, return_exceptions=True)
        assert sum(isinstance(outcome, int) for outcome in outcomes) == 2
        assert queue.depth() == 2


@pytest.mark.parametrize("after", range(8))
async def test_a_job_whose_client_left_is_nowhere_or_was_accepted(folder: Path, after: int) -> None:
    async with queue_in(folder) as queue:
        putting = asyncio.create_task(queue.put(jobs("a")))
        await turns(after)
        putting.cancel()
        (outcome,) = await asyncio.gather(putting, return_exceptions=True)
        expected = [] if isinstance(outcome, asyncio.CancelledError) else ["a"]
        assert await take_all(queue) == expected
        await writer_of(queue).catch_up()
        left = killed(folder)
    async with queue_in(left) as again:
        assert await take_all(again) == expected


async def test_a_full_disk_refuses_a_job_and_leaves_none_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.storage.writer._PAUSE_S", 0.005)
    async with queue_in(folder, capacity=100_000) as queue:
        await put(queue, "kept")
        await fill_up(writer_of(queue))
        with pytest.raises(StorageFullError):
            await queue.put(jobs(*(f"job-{n}" for n in range(500))))
        assert queue.depth() == 1
        await make_space(writer_of(queue))
    async with queue_in(folder) as again:
        assert await take_all(again) == ["kept"]


async def test_ten_thousand_jobs_are_there_again(folder: Path) -> None:
    names = [f"job-{number}" for number in range(10_000)]
    async with queue_in(folder) as queue:
        await queue.put(jobs(*names))
        left = killed(folder)
    async with queue_in(left) as again:
        assert again.depth() == 10_000
        assert await take_all(again) == names
