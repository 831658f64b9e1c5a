"""What every job queue promises of urgent and patient jobs; each backend runs through all of it."""

import time

from dispatcher.jobs import Priority
from dispatcher.queues.base import JobQueue
from tests.dispatcher.queues.taking import LANE, job, take, take_all
from tests.dispatcher.waiting import until

HIGH, NORMAL, BULK = Priority.HIGH, Priority.NORMAL, Priority.BULK


# Order


async def test_the_more_urgent_job_comes_first(queue: JobQueue) -> None:
    for name, priority in (("bulk", BULK), ("normal", NORMAL), ("high", HIGH)):
        await queue.put([job(name, priority)])
    assert await take_all(queue) == ["high", "normal", "bulk"]


async def test_of_equally_urgent_jobs_the_older_comes_first(queue: JobQueue) -> None:
    jobs = [job(f"{p.name} {n}", p) for n, p in ((1, BULK), (2, HIGH), (3, BULK), (4, HIGH))]
    await queue.put(jobs)
    assert await take_all(queue) == ["HIGH 2", "HIGH 4", "BULK 1", "BULK 3"]


async def test_urgency_counts_over_all_lanes_that_are_named(queue: JobQueue) -> None:
    await queue.put([job("patient", BULK, lane="left")])
    await queue.put([job("urgent", HIGH, lane="right")])
    assert await take_all(queue, ["left", "right"]) == ["urgent", "patient"]


async def test_the_position_counts_the_more_urgent_that_came_later(queue: JobQueue) -> None:
    await queue.put([job("a"), job("b")])
    await queue.put([job("urgent", HIGH), job("elsewhere", HIGH, lane="other")])
    assert [queue.position(name) for name in ("urgent", "a", "b")] == [0, 1, 2]


async def test_a_job_that_is_given_back_takes_its_own_place_again(queue: JobQueue) -> None:
    await queue.put([job("a"), job("b"), job("bulk", BULK)])
    lease = await take(queue)
    await queue.put([job("urgent", HIGH)])
    await queue.nack(lease)
    assert await take_all(queue) == ["urgent", "a", "b", "bulk"]


# Leaving


async def test_a_job_that_is_withdrawn_is_never_taken(queue: JobQueue) -> None:
    await queue.put([job("a"), job("b")])
    assert await queue.withdraw("a")
    assert (queue.depth(), queue.pending(LANE), queue.position("a")) == (1, 1, None)
    assert await take_all(queue) == ["b"]


async def test_what_does_not_wait_cannot_be_withdrawn(queue: JobQueue) -> None:
    await queue.put([job("a")])
    assert not await queue.withdraw("never seen")
    lease = await take(queue)
    assert not await queue.withdraw("a"), "somebody works on it"
    await queue.nack(lease)
    assert await queue.withdraw("a")
    assert not await queue.withdraw("a")
    assert (queue.lanes(), queue.oldest_age_s()) == ([], 0.0)


async def test_a_withdrawn_job_makes_space_and_loses_its_age(queue: JobQueue) -> None:
    await queue.put([job("old")])
    await until(lambda: queue.oldest_age_s() > 0.02)
    since = time.monotonic()
    await queue.put([job("young")])
    await queue.withdraw("old")
    assert queue.oldest_age_s() <= time.monotonic() - since


async def test_bytes_are_counted_while_a_job_waits(queue: JobQueue) -> None:
    assert queue.waiting_bytes() == 0
    await queue.put([job("a", size_bytes=100), job("b", HIGH, size_bytes=20)])
    await queue.put([job("c", lane="other", size_bytes=3)])
    assert queue.waiting_bytes() == 123
    lease = await take(queue)
    assert (lease.job_id, queue.waiting_bytes()) == ("b", 103)
    await queue.nack(lease)
    assert queue.waiting_bytes() == 123
    await queue.withdraw("a")
    assert queue.waiting_bytes() == 23
    for lane in (LANE, "other"):
        await queue.ack(await take(queue, [lane]))
    assert queue.waiting_bytes() == 0


async def test_the_oldest_age_is_that_of_the_first_that_came_however_patient(
    queue: JobQueue,
) -> None:
    await queue.put([job("patient", BULK)])
    await until(lambda: queue.oldest_age_s() > 0.02)
    await queue.put([job("urgent", HIGH)])
    assert queue.oldest_age_s() > 0.02
    await queue.ack(await take(queue))
    assert queue.oldest_age_s() > 0.02
