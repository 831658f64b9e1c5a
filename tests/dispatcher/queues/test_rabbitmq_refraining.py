"""A dispatcher that must not work leaves all jobs to the others."""

from dataclasses import dataclass

from dispatcher.queues.rabbitmq import RabbitmqJobQueue
from tests.dispatcher.queues.settled import LANES, ROOM, OpenQueue, held_by
from tests.dispatcher.records import make_job
from tests.dispatcher.waiting import until


@dataclass
class Worker:
    """A dispatcher's queue, and whether it may be worked off here."""

    queue: RabbitmqJobQueue
    may_work: bool = True

    def offer(self) -> None:
        """Tell that there is room, as a dispatcher does all the time."""
        self.queue.offer(dict.fromkeys(LANES, ROOM))


async def open_worker(open_queue: OpenQueue) -> Worker:
    """Open a queue that is worked off."""
    opened: list[Worker] = []
    queue = await open_queue(may_work=lambda: all(one.may_work for one in opened))
    opened.append(worker := Worker(queue))
    worker.offer()
    return worker


async def open_holder(open_queue: OpenQueue, *job_ids: str) -> Worker:
    """Open a queue that has these jobs."""
    worker = await open_worker(open_queue)
    await worker.queue.put([make_job(job_id) for job_id in job_ids])
    await until(lambda: held_by(worker.queue) == [*job_ids])
    return worker


async def test_who_must_not_work_takes_nothing_and_gives_back_what_it_has(
    open_queue: OpenQueue,
) -> None:
    wrong = await open_holder(open_queue, "a")

    wrong.may_work = False
    assert await wrong.queue.reserve(LANES) is None
    wrong.offer()
    await until(lambda: held_by(wrong.queue) == [])
    right = await open_worker(open_queue)
    await until(lambda: held_by(right.queue) == ["a"])
    lease = await right.queue.reserve(LANES)
    assert lease is not None
    assert lease.job_id == "a"
    await right.queue.ack(lease)
    assert held_by(wrong.queue) == []


async def test_a_job_in_work_that_is_given_back_later_goes_to_the_others(
    open_queue: OpenQueue,
) -> None:
    wrong = await open_holder(open_queue, "a", "b")
    lease = await wrong.queue.reserve(LANES)
    assert lease is not None

    wrong.may_work = False
    wrong.offer()
    await until(lambda: held_by(wrong.queue) == [lease.job_id])
    await wrong.queue.nack(lease)
    right = await open_worker(open_queue)
    await until(lambda: sorted(held_by(right.queue)) == ["a", "b"])
    assert held_by(wrong.queue) == []
