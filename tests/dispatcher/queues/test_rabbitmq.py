"""One queue of several dispatchers: who gets which job, with a real broker."""

import asyncio

import pytest

from dispatcher.jobs import Priority
from dispatcher.queues.base import Lease, QueueFullError
from dispatcher.queues.rabbitmq import RabbitmqJobQueue
from tests.dispatcher.queues.settled import LANES, OpenQueue, held_by
from tests.dispatcher.queues.taking import LANE, job, jobs
from tests.dispatcher.records import make_job
from tests.dispatcher.waiting import until

pytestmark = pytest.mark.timeout(60)


async def next_of(queue: RabbitmqJobQueue) -> Lease:
    """The next job, once it has come."""
    async with asyncio.timeout(20):
        while (lease := await queue.reserve(LANES)) is None:
            await asyncio.wait_for(queue.wait_for_more(), 20)
    return lease


async def work(queue: RabbitmqJobQueue, done: list[str]) -> None:
    """Take and end jobs for ever, one at a time."""
    while True:
        lease = await next_of(queue)
        await queue.ack(lease)
        done.append(lease.job_id)


async def test_each_job_goes_to_one_of_the_dispatchers(open_queue: OpenQueue) -> None:
    api, one, two = await open_queue(room=0), await open_queue(room=2), await open_queue(room=2)
    done: tuple[list[str], list[str]] = ([], [])
    workers = [
        asyncio.create_task(work(queue, mine)) for queue, mine in zip((one, two), done, strict=True)
    ]
    names = [f"job-{number}" for number in range(60)]
    for name in names:
        await api.put(jobs(name))
    await until(lambda: len(done[0]) + len(done[1]) >= len(names))
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(done[0] + done[1]) == sorted(names)
    assert all(done), "both had room, and one at a time is slow"
    await until(lambda: api.depth() == 0)


async def test_a_dispatcher_gets_no_more_than_it_has_room_for(open_queue: OpenQueue) -> None:
    api, busy = await open_queue(room=0), await open_queue(room=4)
    await api.put(jobs(*(f"job-{number}" for number in range(20))))
    await until(lambda: len(held_by(busy)) == 4)
    assert held_by(busy) == [f"job-{number}" for number in range(4)]
    idle = await open_queue(room=16)
    await until(lambda: len(held_by(idle)) == 16)
    assert len(held_by(busy)) == 4


async def test_the_prefetch_count_can_be_set(open_queue: OpenQueue) -> None:
    api, queue = await open_queue(room=0), await open_queue(room=100, prefetch_count=3)
    await api.put(jobs(*(f"job-{number}" for number in range(10))))
    await until(lambda: len(held_by(queue)) == 3)
    await queue.ack(await next_of(queue))
    await until(lambda: "job-3" in held_by(queue))
    assert len(held_by(queue)) == 3


async def test_an_urgent_job_is_first_though_all_room_is_taken(open_queue: OpenQueue) -> None:
    api, queue = await open_queue(room=0), await open_queue(room=2)
    await api.put(jobs(*(f"job-{number}" for number in range(10))))
    await until(lambda: len(held_by(queue)) == 2)
    await api.put([job("urgent", Priority.HIGH)])
    await until(lambda: "urgent" in held_by(queue))
    assert (await next_of(queue)).job_id == "urgent"


async def test_who_ends_leaves_what_it_has_not_begun_to_others(open_queue: OpenQueue) -> None:
    api, one = await open_queue(room=0), await open_queue(room=8)
    names = [f"job-{number}" for number in range(8)]
    await api.put(jobs(*names))
    await until(lambda: held_by(one) == names)
    two = await open_queue(room=8)
    await one.close()
    await until(lambda: held_by(two) == names)


async def test_who_pauses_leaves_what_it_has_not_begun_to_others(open_queue: OpenQueue) -> None:
    one = await open_queue(room=4)
    await one.put(jobs("a", "b", "c"))
    await until(lambda: len(held_by(one)) == 3)
    lease = await next_of(one)
    one.offer(None)
    two = await open_queue(room=4)
    await until(lambda: held_by(two) == ["b", "c"])
    assert held_by(one) == ["a"], "what was begun is ended where it was"
    assert await one.ack(lease)
    await until(lambda: two.is_idle("other") and two.depth() == 2)


async def test_figures_are_those_of_all_dispatchers(open_queue: OpenQueue) -> None:
    api, worker = await open_queue(room=0), await open_queue(room=2)
    await worker.put([make_job("a", tenant="alice", size_bytes=5), *jobs("b", "c", "d")])
    await until(lambda: (api.depth(), api.waiting_of("alice"), api.waiting_bytes()) == (4, 1, 5))
    assert (api.lanes(), api.oldest_age_s() > 0) == ([LANE], True)
    assert [api.position(name) for name in "abcd"] == [0, 1, 2, 3]
    lease = await next_of(worker)
    await until(lambda: api.depth() == 3)
    assert (api.leased(), worker.leased(), api.is_idle(LANE)) == (0, 1, False)
    await worker.ack(lease)
    report = await api.report()
    assert (report.waiting, report.in_work, report.dead) == (3, 0, 0)
    assert [each.consumers for each in report.lanes[0].priorities] == [1, 1, 1]


async def test_what_waits_is_shared_among_those_who_serve_it(open_queue: OpenQueue) -> None:
    api, workers = await open_queue(room=0), [await open_queue(room=1) for _ in range(2)]
    await api.put(jobs(*(f"job-{number}" for number in range(10))))
    await until(lambda: [each.pending(LANE) for each in (api, *workers)] == [5, 5, 5])


async def test_capacity_is_that_of_all_together(open_queue: OpenQueue) -> None:
    several = [await open_queue(room=0, capacity=5) for _ in range(3)]

    async def put(number: int) -> bool:
        try:
            await several[number % 3].put(jobs(f"job-{number}"))
        except QueueFullError:
            return False
        return True

    accepted = await asyncio.gather(*(put(number) for number in range(30)))
    assert sum(accepted) == 5


async def test_the_same_work_is_done_once_for_two_dispatchers(open_queue: OpenQueue) -> None:
    one, two = await open_queue(room=4), await open_queue(room=4)
    await one.put([make_job("leader", work_key="same")])
    await two.put([make_job("linked", work_key="same")])
    asking = {asyncio.create_task(next_of(queue)): queue for queue in (one, two)}
    (taken,), waiting = await asyncio.wait(asking, timeout=20, return_when="FIRST_COMPLETED")
    queue, lease = asking[taken], taken.result()
    assert lease.job_id == "leader"
    assert list(await queue.unlink(lease)) == ["linked"]
    assert await queue.ack(lease)
    await until(lambda: one.is_idle(LANE) and two.is_idle(LANE))
    (unanswered,) = waiting
    assert not unanswered.done()
    unanswered.cancel()


async def test_a_cancelled_leader_leaves_its_place_to_who_waits_for_it(
    open_queue: OpenQueue,
) -> None:
    api, worker = await open_queue(room=0), await open_queue(room=4)
    await api.put([make_job("leader", work_key="same")])
    await api.put([make_job("linked", work_key="same")])
    assert await api.withdraw("leader")
    assert (await next_of(worker)).job_id == "linked"


async def test_an_unwanted_job_is_stopped_wherever_it_is_in_work(open_queue: OpenQueue) -> None:
    stopped: list[str] = []
    api, worker = await open_queue(room=0), await open_queue(room=4, on_stop=stopped.append)
    await api.put(jobs("a"))
    await next_of(worker)
    assert not await api.withdraw("a"), "it does not wait"
    await until(lambda: stopped == ["a"])


async def test_a_withdrawn_job_is_taken_by_nobody(open_queue: OpenQueue) -> None:
    api, worker = await open_queue(room=0), await open_queue(room=4)
    await api.put(jobs("a", "b"))
    await until(lambda: held_by(worker) == ["a", "b"])
    assert await api.withdraw("a")
    assert (await next_of(worker)).job_id == "b"
    await until(lambda: held_by(worker) == ["b"])
