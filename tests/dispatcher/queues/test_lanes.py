"""What every job queue promises of its lanes; each backend runs through all of it."""

import random

import pytest

from dispatcher.queues.base import JobQueue, Lease, QueueFullError
from tests.dispatcher.queues.taking import CAPACITY, put, take, take_all
from tests.dispatcher.waiting import until

LANES = ("left", "middle", "right")


async def test_the_oldest_job_of_the_lanes_that_are_named_goes_first(queue: JobQueue) -> None:
    await put(queue, "a", lane="left")
    await put(queue, "b", lane="right")
    await put(queue, "c", lane="left")
    assert await take_all(queue, LANES) == ["a", "b", "c"]


@pytest.mark.parametrize("order", [("left", "right"), ("right", "left")])
async def test_the_order_in_which_lanes_are_named_makes_no_difference(
    queue: JobQueue, order: tuple[str, str]
) -> None:
    await put(queue, "a", lane="right")
    await put(queue, "b", lane="left")
    assert await take_all(queue, order) == ["a", "b"]


async def test_no_job_is_taken_from_a_lane_that_is_not_named(queue: JobQueue) -> None:
    await put(queue, "a", lane="left")
    await put(queue, "b", lane="right")
    assert await queue.reserve(["middle"]) is None
    assert await queue.reserve([]) is None
    assert await take_all(queue, ["right"]) == ["b"]
    assert queue.position("a") == 0
    assert queue.depth() == 1


async def test_a_lease_names_the_lane_of_its_job(queue: JobQueue) -> None:
    await put(queue, "a", lane="left")
    await put(queue, "b", lane="right")
    leases = [await take(queue, LANES) for _ in range(2)]
    assert [(lease.job_id, lease.lane) for lease in leases] == [("a", "left"), ("b", "right")]


async def test_a_job_that_is_given_back_is_at_the_front_of_its_own_lane(queue: JobQueue) -> None:
    await put(queue, "a", lane="left")
    await put(queue, "b", lane="right")
    await put(queue, "c", lane="left")
    assert await queue.nack(await take(queue, ["left"]))
    assert [queue.position(job_id) for job_id in ("a", "b", "c")] == [0, 0, 1]
    assert await take_all(queue, LANES) == ["a", "b", "c"]


async def test_only_lanes_in_which_jobs_wait_are_told(queue: JobQueue) -> None:
    assert queue.lanes() == []
    await put(queue, "a", lane="left")
    await put(queue, "b", lane="right")
    assert sorted(queue.lanes()) == ["left", "right"]
    lease = await take(queue, ["left"])
    assert queue.lanes() == ["right"]
    await queue.nack(lease)
    assert sorted(queue.lanes()) == ["left", "right"]
    await queue.ack(await take(queue, ["left"]))
    assert queue.lanes() == ["right"]


async def test_what_is_pending_in_a_lane_waits_or_is_leased(queue: JobQueue) -> None:
    await put(queue, "a", "b", lane="left")
    await put(queue, "c", lane="right")
    first = await take(queue, ["left"])
    assert [queue.pending(lane) for lane in LANES] == [2, 0, 1]
    second = await take(queue, ["left"])
    assert queue.pending("left") == 2, "leased jobs are not done"
    await queue.nack(first)
    assert queue.pending("left") == 2
    await queue.ack(second)
    assert [queue.pending(lane) for lane in LANES] == [1, 0, 1]
    await queue.ack(await take(queue, ["left"]))
    assert [queue.pending(lane) for lane in LANES] == [0, 0, 1]


async def test_a_lane_is_idle_while_nothing_of_it_waits_or_is_leased(queue: JobQueue) -> None:
    await put(queue, "a", lane="left")
    assert [queue.is_idle(lane) for lane in LANES] == [False, True, True]
    lease = await take(queue, ["left"])
    assert not queue.is_idle("left")
    await queue.ack(lease)
    await until(lambda: queue.is_idle("left"))


async def test_the_position_counts_the_jobs_of_its_lane_that_wait_before(queue: JobQueue) -> None:
    await put(queue, "a", lane="left")
    await put(queue, "b", lane="right")
    await put(queue, "c", lane="left")
    assert [queue.position(job_id) for job_id in ("a", "b", "c")] == [0, 0, 1]
    await take(queue, ["left"])
    assert [queue.position(job_id) for job_id in ("a", "b", "c")] == [None, 0, 0]
    assert queue.position("never seen") is None


async def test_all_lanes_share_one_capacity(queue: JobQueue) -> None:
    for lane in LANES[:CAPACITY]:
        await put(queue, f"job of {lane}", lane=lane)
    with pytest.raises(QueueFullError):
        await put(queue, "one more", lane="left")
    with pytest.raises(QueueFullError):
        await put(queue, "one more", lane="a new lane")
    assert queue.pending("a new lane") == 0


@pytest.mark.parametrize("seed", range(5))
async def test_lanes_never_mix_whatever_happens(queue: JobQueue, seed: int) -> None:
    dice = random.Random(seed)
    waiting: dict[str, list[str]] = {lane: [] for lane in LANES}
    leases: list[Lease] = []
    for number in range(300):
        action = dice.choice(["put", "reserve", "ack", "nack"])
        if action == "put" and queue.depth() < CAPACITY:
            lane = dice.choice(LANES)
            waiting[lane].append(f"job-{number}")
            await put(queue, f"job-{number}", lane=lane)
        elif action == "reserve":
            named = dice.sample(LANES, dice.randint(0, len(LANES)))
            lease = await queue.reserve(named)
            assert (lease is None) == (not any(waiting[lane] for lane in named))
            if lease is not None:
                assert lease.lane in named
                assert waiting[lease.lane].pop(0) == lease.job_id
                leases.append(lease)
        elif leases:
            lease = leases.pop(dice.randrange(len(leases)))
            if action == "nack":
                waiting[lease.lane].insert(0, lease.job_id)
            assert await (queue.nack(lease) if action == "nack" else queue.ack(lease))
        assert set(queue.lanes()) == {lane for lane in LANES if waiting[lane]}
        for lane in LANES:
            held = sum(lease.lane == lane for lease in leases)
            assert queue.pending(lane) == len(waiting[lane]) + held
            positions = [queue.position(job_id) for job_id in waiting[lane]]
            assert positions == list(range(len(waiting[lane])))
