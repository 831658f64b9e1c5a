"""A dispatcher that must not work leaves all jobs to the others."""

from tests.dispatcher.queues.settled import LANES, ROOM, OpenQueue, held_by
from tests.dispatcher.records import make_job
from tests.dispatcher.waiting import until


async def test_who_must_not_work_takes_nothing_and_gives_back_what_it_has(
    open_queue: OpenQueue,
) -> None:
    may_work = True
    room = dict.fromkeys(LANES, ROOM)
    wrong = await open_queue(may_work=lambda: may_work)
    wrong.offer(room)
    await wrong.put([make_job("a")])
    await until(lambda: held_by(wrong) == ["a"])

    may_work = False
    assert await wrong.reserve(LANES) is None
    wrong.offer(room)
    await until(lambda: held_by(wrong) == [])
    right = await open_queue()
    right.offer(room)
    await until(lambda: held_by(right) == ["a"])
    lease = await right.reserve(LANES)
    assert lease is not None
    assert lease.job_id == "a"
    await right.ack(lease)
    assert held_by(wrong) == []


async def test_a_job_in_work_that_is_given_back_later_goes_to_the_others(
    open_queue: OpenQueue,
) -> None:
    may_work = True
    room = dict.fromkeys(LANES, ROOM)
    wrong = await open_queue(may_work=lambda: may_work)
    wrong.offer(room)
    await wrong.put([make_job("a"), make_job("b")])
    await until(lambda: held_by(wrong) == ["a", "b"])
    lease = await wrong.reserve(LANES)
    assert lease is not None

    may_work = False
    wrong.offer(room)
    await until(lambda: held_by(wrong) == [lease.job_id])
    await wrong.nack(lease)
    right = await open_queue()
    right.offer(room)
    await until(lambda: sorted(held_by(right)) == ["a", "b"])
    assert held_by(wrong) == []
