"""What every job queue promises; each backend runs through all of it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from dispatcher.queues.base import JobQueue, Lease, QueueFullError
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.waiting import turns, until

CAPACITY = 3

BACKENDS: dict[str, Callable[[], JobQueue]] = {
    "memory": lambda: MemoryJobQueue(capacity=CAPACITY),
}


@pytest.fixture(params=BACKENDS)
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[JobQueue]:
    backend = BACKENDS[request.param]()
    await backend.start()
    yield backend
    await backend.close()


async def take(queue: JobQueue) -> Lease:
    async with asyncio.timeout(5):
        return await queue.reserve()


async def test_jobs_are_leased_in_the_order_of_their_arrival(queue: JobQueue) -> None:
    for job_id in ("a", "b", "c"):
        await queue.put(job_id)
    assert [(await take(queue)).job_id for _ in range(3)] == ["a", "b", "c"]


async def test_put_tells_the_depth_with_the_new_job(queue: JobQueue) -> None:
    assert [await queue.put(job_id) for job_id in ("a", "b")] == [1, 2]


async def test_the_queue_takes_exactly_as_many_as_its_capacity(queue: JobQueue) -> None:
    assert queue.capacity == CAPACITY
    for number in range(CAPACITY):
        await queue.put(f"job-{number}")
    with pytest.raises(QueueFullError):
        await queue.put("one more")
    assert queue.depth() == CAPACITY
    assert queue.position("one more") is None


async def test_a_job_that_was_refused_is_not_in_the_queue(queue: JobQueue) -> None:
    for number in range(CAPACITY):
        await queue.put(f"job-{number}")
    with pytest.raises(QueueFullError):
        await queue.put("one more")
    taken = [(await take(queue)).job_id for _ in range(CAPACITY)]
    assert taken == [f"job-{number}" for number in range(CAPACITY)]
    assert queue.depth() == 0


async def test_a_leased_job_makes_space_for_another(queue: JobQueue) -> None:
    for number in range(CAPACITY):
        await queue.put(f"job-{number}")
    await take(queue)
    assert await queue.put("one more") == CAPACITY


async def test_a_job_is_leased_to_one_owner_at_a_time(queue: JobQueue) -> None:
    await queue.put("a")
    owners = [asyncio.create_task(queue.reserve()) for _ in range(3)]
    await until(lambda: any(owner.done() for owner in owners))
    await turns(10)
    assert sum(owner.done() for owner in owners) == 1
    assert (queue.depth(), queue.leased()) == (0, 1)
    for owner in owners:
        owner.cancel()


async def test_a_job_leaves_the_queue_only_by_ack(queue: JobQueue) -> None:
    await queue.put("a")
    lease = await take(queue)
    assert (queue.depth(), queue.leased()) == (0, 1)
    assert await queue.ack(lease)
    assert (queue.depth(), queue.leased()) == (0, 0)


async def test_a_job_that_is_given_back_goes_to_the_front(queue: JobQueue) -> None:
    for job_id in ("a", "b", "c"):
        await queue.put(job_id)
    assert await queue.nack(await take(queue))
    assert queue.position("a") == 0
    assert [(await take(queue)).job_id for _ in range(3)] == ["a", "b", "c"]


async def test_a_job_can_be_given_back_to_a_full_queue(queue: JobQueue) -> None:
    for number in range(CAPACITY):
        await queue.put(f"job-{number}")
    lease = await take(queue)
    await queue.put("one more")
    assert await queue.nack(lease)
    assert queue.depth() == CAPACITY + 1
    assert (await take(queue)).job_id == lease.job_id


async def test_a_new_lease_voids_the_older_one_of_the_same_job(queue: JobQueue) -> None:
    await queue.put("a")
    older = await take(queue)
    await queue.nack(older)
    newer = await take(queue)
    assert (newer.job_id, newer.token != older.token) == ("a", True)
    assert not await queue.ack(older)
    assert not await queue.nack(older)
    assert (queue.depth(), queue.leased()) == (0, 1)
    assert await queue.ack(newer)


async def test_a_lease_can_be_ended_only_once(queue: JobQueue) -> None:
    await queue.put("a")
    lease = await take(queue)
    assert await queue.ack(lease)
    assert not await queue.ack(lease)
    assert not await queue.nack(lease)
    assert (queue.depth(), queue.leased()) == (0, 0)


async def test_a_lease_that_never_was_changes_nothing(queue: JobQueue) -> None:
    await queue.put("a")
    stranger = Lease(job_id="a", token=10**6)
    assert not await queue.ack(stranger)
    assert not await queue.nack(stranger)
    assert (await take(queue)).job_id == "a"


async def test_whoever_reserves_from_an_empty_queue_is_woken_by_the_next_job(
    queue: JobQueue,
) -> None:
    waiting = asyncio.create_task(take(queue))
    await turns(5)
    assert not waiting.done()
    await queue.put("a")
    assert (await waiting).job_id == "a"


async def test_whoever_reserves_is_woken_by_a_job_that_is_given_back(queue: JobQueue) -> None:
    await queue.put("a")
    lease = await take(queue)
    waiting = asyncio.create_task(take(queue))
    await turns(5)
    await queue.nack(lease)
    assert (await waiting).job_id == "a"


async def test_one_who_stops_waiting_takes_no_job_along(queue: JobQueue) -> None:
    waiting = asyncio.create_task(queue.reserve())
    await turns(5)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await queue.put("a")
    assert (queue.depth(), queue.leased()) == (1, 0)
    assert (await take(queue)).job_id == "a"


async def test_closing_cancels_whoever_waits_in_reserve(queue: JobQueue) -> None:
    waiting = [asyncio.create_task(queue.reserve()) for _ in range(3)]
    await turns(5)
    await queue.close()
    await asyncio.wait(waiting, timeout=5)
    assert all(waiter.cancelled() for waiter in waiting)


async def test_the_position_counts_the_jobs_that_wait_before(queue: JobQueue) -> None:
    for job_id in ("a", "b", "c"):
        await queue.put(job_id)
    await take(queue)
    assert [queue.position(job_id) for job_id in ("a", "b", "c")] == [None, 0, 1]
    assert queue.position("never seen") is None


async def test_the_oldest_age_is_that_of_the_one_who_has_waited_longest(queue: JobQueue) -> None:
    assert queue.oldest_age_s() == 0.0
    await queue.put("a")
    await until(lambda: queue.oldest_age_s() > 0.02)
    await queue.put("b")
    assert queue.oldest_age_s() > 0.02
    lease = await take(queue)
    assert queue.oldest_age_s() < 0.02
    await queue.nack(lease)
    assert queue.oldest_age_s() > 0.02, "time in the hands of an owner counts, too"
    await queue.ack(await take(queue))
    await queue.ack(await take(queue))
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
            await queue.put(waiting[-1])
        elif action == "reserve" and waiting:
            leases.append(await take(queue))
            assert leases[-1].job_id == waiting.pop(0)
        elif action in ("ack", "nack") and leases:
            lease = leases.pop(dice.randrange(len(leases)))
            if action == "nack":
                waiting.insert(0, lease.job_id)
            assert await (queue.ack(lease) if action == "ack" else queue.nack(lease))
        assert (queue.depth(), queue.leased()) == (len(waiting), len(leases))
