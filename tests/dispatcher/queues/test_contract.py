"""What every job queue promises; each backend runs through all of it."""

import asyncio
import random
import time

import pytest

from dispatcher.queues.base import JobQueue, Lease, QueueFullError
from tests.dispatcher.queues.taking import CAPACITY, LANE, jobs, put, take, take_all
from tests.dispatcher.waiting import turns, until

# Order and capacity


async def test_jobs_are_leased_in_the_order_of_their_arrival(queue: JobQueue) -> None:
    await put(queue, "a", "b", "c")
    assert await take_all(queue) == ["a", "b", "c"]


async def test_put_tells_the_depth_with_the_new_jobs(queue: JobQueue) -> None:
    assert await queue.put(jobs("a")) == 1
    assert await queue.put(jobs("b", "c", lane="other")) == 3


async def test_the_queue_takes_exactly_as_many_as_its_capacity(queue: JobQueue) -> None:
    assert queue.capacity == CAPACITY
    await put(queue, *(f"job-{number}" for number in range(CAPACITY)))
    with pytest.raises(QueueFullError):
        await put(queue, "one more")
    assert queue.depth() == CAPACITY
    assert queue.position("one more") is None


async def test_a_job_that_was_refused_is_not_in_the_queue(queue: JobQueue) -> None:
    names = [f"job-{number}" for number in range(CAPACITY)]
    await put(queue, *names)
    with pytest.raises(QueueFullError):
        await put(queue, "one more", lane="other")
    assert queue.lanes() == [LANE]
    assert await take_all(queue, (LANE, "other")) == names
    assert queue.depth() == 0


async def test_a_leased_job_makes_space_for_another(queue: JobQueue) -> None:
    await put(queue, *(f"job-{number}" for number in range(CAPACITY)))
    await take(queue)
    assert await queue.put(jobs("one more")) == CAPACITY


# Jobs that come together


async def test_jobs_that_come_together_may_pass_the_capacity_as_one(queue: JobQueue) -> None:
    await put(queue, "first")
    names = [f"job-{number}" for number in range(10 * CAPACITY)]
    assert await queue.put(jobs(*names)) == 1 + 10 * CAPACITY
    assert await take_all(queue) == ["first", *names]


async def test_once_the_capacity_is_reached_nothing_is_added(queue: JobQueue) -> None:
    await queue.put(jobs(*(f"job-{number}" for number in range(CAPACITY))))
    for refused in (["x"], ["x", "y"]):
        with pytest.raises(QueueFullError):
            await queue.put(jobs(*refused))
    assert queue.depth() == queue.pending(LANE) == CAPACITY
    assert queue.position("x") is queue.position("y") is None


async def test_a_batch_of_no_jobs_changes_nothing(queue: JobQueue) -> None:
    assert await queue.put([]) == 0
    assert (queue.lanes(), queue.oldest_age_s()) == ([], 0.0)
    assert await queue.reserve([LANE]) is None


# Leases


async def test_from_a_queue_without_jobs_nothing_is_leased(queue: JobQueue) -> None:
    assert await queue.reserve([LANE]) is None
    await put(queue, "a")
    await take(queue)
    assert await queue.reserve([LANE]) is None


async def test_a_job_is_leased_to_one_owner_at_a_time(queue: JobQueue) -> None:
    await put(queue, "a")
    found = await asyncio.gather(*(queue.reserve([LANE]) for _ in range(3)))
    assert [lease.job_id for lease in found if lease is not None] == ["a"]
    assert (queue.depth(), queue.leased()) == (0, 1)


async def test_a_job_leaves_the_queue_only_by_ack(queue: JobQueue) -> None:
    await put(queue, "a")
    lease = await take(queue)
    assert lease.lane == LANE
    assert (queue.depth(), queue.leased()) == (0, 1)
    assert await queue.ack(lease)
    assert (queue.depth(), queue.leased()) == (0, 0)


async def test_a_job_that_is_given_back_stands_where_it_stood(queue: JobQueue) -> None:
    await put(queue, "a", "b", "c")
    assert await queue.nack(await take(queue))
    assert queue.position("a") == 0
    assert await take_all(queue) == ["a", "b", "c"]


async def test_a_job_can_be_given_back_to_a_full_queue(queue: JobQueue) -> None:
    await put(queue, *(f"job-{number}" for number in range(CAPACITY)))
    lease = await take(queue)
    await put(queue, "one more")
    assert await queue.nack(lease)
    assert queue.depth() == CAPACITY + 1
    assert (await take(queue)).job_id == lease.job_id


async def test_a_new_lease_voids_the_older_one_of_the_same_job(queue: JobQueue) -> None:
    await put(queue, "a")
    older = await take(queue)
    await queue.nack(older)
    newer = await take(queue)
    assert (newer.job_id, newer.token != older.token) == ("a", True)
    assert not await queue.ack(older)
    assert not await queue.nack(older)
    assert (queue.depth(), queue.leased(), queue.pending(LANE)) == (0, 1, 1)
    assert await queue.ack(newer)


async def test_a_lease_can_be_ended_only_once(queue: JobQueue) -> None:
    await put(queue, "a")
    lease = await take(queue)
    assert await queue.ack(lease)
    assert not await queue.ack(lease)
    assert not await queue.nack(lease)
    assert (queue.depth(), queue.leased(), queue.pending(LANE)) == (0, 0, 0)


async def test_a_lease_that_never_was_changes_nothing(queue: JobQueue) -> None:
    await put(queue, "a")
    stranger = Lease(job_id="a", lane=LANE, token=10**6)
    assert not await queue.ack(stranger)
    assert not await queue.nack(stranger)
    assert queue.pending(LANE) == 1
    assert (await take(queue)).job_id == "a"


# Waiting for jobs


async def test_whoever_waits_is_woken_by_the_next_job(queue: JobQueue) -> None:
    waiting = asyncio.create_task(queue.wait_for_more())
    await turns(5)
    assert not waiting.done()
    await put(queue, "a")
    async with asyncio.timeout(5):
        await waiting


async def test_whoever_waits_is_woken_by_a_job_that_is_given_back(queue: JobQueue) -> None:
    await put(queue, "a")
    await queue.wait_for_more()
    lease = await take(queue)
    waiting = asyncio.create_task(queue.wait_for_more())
    await turns(5)
    assert not waiting.done()
    await queue.nack(lease)
    async with asyncio.timeout(5):
        await waiting


async def test_a_job_that_came_before_anybody_waited_is_noticed_once(queue: JobQueue) -> None:
    await put(queue, "a", "b")
    async with asyncio.timeout(5):
        await queue.wait_for_more()
    waiting = asyncio.create_task(queue.wait_for_more())
    await turns(5)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("after", range(4))
async def test_one_who_stops_waiting_takes_no_wake_up_along(queue: JobQueue, after: int) -> None:
    waiting = asyncio.create_task(queue.wait_for_more())
    await turns(5)
    await put(queue, "a")
    await turns(after)
    was_woken = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if not was_woken:
        async with asyncio.timeout(5):
            await queue.wait_for_more()
    assert (queue.depth(), queue.leased()) == (1, 0)


# Age


async def test_the_oldest_age_is_that_of_the_one_who_has_waited_longest(queue: JobQueue) -> None:
    assert queue.oldest_age_s() == 0.0
    await put(queue, "a")
    await until(lambda: queue.oldest_age_s() > 0.02)
    since = time.monotonic()
    await put(queue, "b", lane="other")
    assert queue.oldest_age_s() > 0.02
    lease = await take(queue)
    assert queue.oldest_age_s() <= time.monotonic() - since
    await queue.nack(lease)
    assert queue.oldest_age_s() > 0.02, "time in the hands of an owner counts, too"
    for lane in (LANE, "other"):
        await queue.ack(await take(queue, [lane]))
    assert queue.oldest_age_s() == 0.0


@pytest.mark.parametrize("seed", range(5))
async def test_no_job_is_lost_or_doubled_whatever_happens(queue: JobQueue, seed: int) -> None:
    dice = random.Random(seed)
    waiting: list[str] = []
    leases: list[Lease] = []
    for number in range(300):
        action = dice.choice(["put", "reserve", "ack", "nack"])
        if action == "put" and len(waiting) < CAPACITY:
            waiting.append(f"job-{number}")
            await put(queue, waiting[-1])
        elif action == "reserve" and waiting:
            leases.append(await take(queue))
            assert leases[-1].job_id == waiting.pop(0)
        elif action in ("ack", "nack") and leases:
            lease = leases.pop(dice.randrange(len(leases)))
            if action == "nack":
                waiting = sorted([*waiting, lease.job_id], key=lambda name: int(name[4:]))
            assert await (queue.ack(lease) if action == "ack" else queue.nack(lease))
        assert (queue.depth(), queue.leased()) == (len(waiting), len(leases))
        assert queue.pending(LANE) == len(waiting) + len(leases)
