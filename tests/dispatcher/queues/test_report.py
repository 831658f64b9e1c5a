"""What an operator is told of a queue, on every backend that one process has for itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.jobs import Priority
from dispatcher.queues.base import JobQueue
from dispatcher.queues.report import LaneReport, QueueReport
from dispatcher.storage.writer import Writer
from tests.dispatcher.queues.conftest import BACKENDS
from tests.dispatcher.queues.taking import job, put, take


@pytest.fixture(params=BACKENDS)
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobQueue]:
    """A queue of each backend that one process has for itself; the other tells of messages."""
    writer = Writer(tmp_path)
    backend = BACKENDS[request.param](writer)
    await backend.start()
    yield backend
    await backend.close()
    await writer.close()


def lane_of(report: QueueReport, name: str) -> LaneReport:
    return next(lane for lane in report.lanes if lane.lane == name)


async def test_an_empty_queue_has_nothing_to_tell(queue: JobQueue) -> None:
    report = await queue.report()
    assert (report.lanes, report.waiting, report.in_work, report.dead) == ((), 0, 0, 0)


async def test_what_waits_is_told_by_lane_and_priority(queue: JobQueue) -> None:
    await queue.put([job("a", Priority.HIGH), job("b", Priority.BULK), job("c", Priority.BULK)])
    await queue.put([job("d", lane="other")], is_admitted=True)
    report = await queue.report()
    assert [(lane.lane, lane.waiting) for lane in report.lanes] == [("default", 3), ("other", 1)]
    lane = lane_of(report, "default")
    waiting = {each.priority: each.waiting for each in lane.priorities}
    assert waiting == {Priority.HIGH: 1, Priority.NORMAL: 0, Priority.BULK: 2}
    assert [each.consumers for each in lane.priorities] == [None] * 3
    assert lane.oldest_age_s > 0


async def test_a_job_is_told_of_until_it_has_left(queue: JobQueue) -> None:
    await put(queue, "a", "b")
    lease = await take(queue)
    report = await queue.report()
    assert (report.waiting, report.in_work) == (1, 1)
    await queue.ack(lease)
    await queue.withdraw("b")
    assert (await queue.report()).lanes == ()


async def test_a_lane_in_which_nothing_waits_is_there_while_something_is_in_work(
    queue: JobQueue,
) -> None:
    await put(queue, "a")
    lease = await take(queue)
    lane = lane_of(await queue.report(), "default")
    assert (lane.waiting, lane.in_work, lane.oldest_age_s) == (0, 1, 0.0)
    await queue.nack(lease)
    assert lane_of(await queue.report(), "default").waiting == 1


async def test_jobs_that_are_no_messages_leave_no_dead_ones(queue: JobQueue) -> None:
    await put(queue, "a")
    assert await queue.put_back_dead(limit=10) == 0
    assert await queue.drop_dead() == 0
    assert queue.depth() == 1
