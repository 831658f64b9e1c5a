"""What the broker refuses, returns, loses or gives up: nothing of it is a job that was accepted."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from dispatcher.errors import QueueUnavailableError
from dispatcher.jobs import Priority
from dispatcher.queues import declarations, upkeep
from dispatcher.queues.base import QueueFullError
from dispatcher.queues.declarations import DEAD, UNREADABLE, queue_name
from dispatcher.queues.messages import encode_job
from tests.dispatcher.queues.settled import OpenQueue, held_by
from tests.dispatcher.queues.taking import LANE, jobs, take
from tests.dispatcher.records import make_job
from tests.dispatcher.waiting import until
from tests.servers.rabbitmq import RabbitmqServer

pytestmark = pytest.mark.timeout(60)

NAME = queue_name(LANE, Priority.NORMAL)
WITHIN_S = 20.0


@pytest.fixture
async def channel(rabbitmq_url: str) -> AsyncIterator[AbstractChannel]:
    """What somebody else does at the broker."""
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield await connection.channel()


async def delete(channel: AbstractChannel, name: str) -> None:
    await channel.queue_delete(name)


async def send(channel: AbstractChannel, body: bytes, *, to: str = NAME) -> None:
    await channel.default_exchange.publish(aio_pika.Message(body), to)


async def ready(channel: AbstractChannel, name: str) -> int:
    found = await channel.declare_queue(name, passive=True)
    return found.declaration_result.message_count or 0


async def test_a_job_for_a_queue_that_was_deleted_is_refused_and_the_next_is_not(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    losses: list[None] = []
    api = await open_queue(room=0, on_lost=lambda: losses.append(None))
    await api.put(jobs("a"))
    await delete(channel, NAME)
    with pytest.raises(QueueUnavailableError) as refusal:
        await api.put(jobs("b"))
    assert refusal.value.retry_after_s
    await until(lambda: losses)
    await api.put(jobs("c"))
    worker = await open_queue(room=4)
    await until(lambda: held_by(worker) == ["c"])


async def test_who_consumes_a_queue_that_was_deleted_tells_of_it_and_consumes_the_new_one(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    losses: list[None] = []
    queue = await open_queue(room=4, on_lost=lambda: losses.append(None))
    await queue.put(jobs("a"))
    await until(lambda: held_by(queue) == ["a"])
    lease = await take(queue)
    await delete(channel, NAME)
    await until(lambda: losses, within_s=WITHIN_S)
    assert await queue.ack(lease), "what was begun is ended"
    await until(lambda: queue.is_idle(LANE))
    await queue.put(jobs("b"))
    await until(lambda: "b" in held_by(queue), within_s=WITHIN_S)


async def test_who_consumes_a_queue_that_was_deleted_and_made_again_at_once_hears_of_the_new_one(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    queue = await open_queue(room=4)
    for number in range(10):
        await queue.put(jobs(f"before-{number}"))
        await until(lambda: held_by(queue))
        assert await queue.ack(await take(queue))
    await channel.queue_delete(NAME)
    await channel.declare_queue(NAME, durable=True, arguments=dict(declarations.JOB_QUEUE))
    await queue.put(jobs("after"))
    await until(lambda: held_by(queue) == ["after"], within_s=WITHIN_S)


async def test_a_job_that_waits_in_no_queue_loses_its_place(
    open_queue: OpenQueue, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_UNSEEN_FOR_S", 0.5)
    monkeypatch.setattr(upkeep, "_RENEW_ALL_EVERY_S", 0.2)
    losses: list[None] = []
    queue = await open_queue(room=0, on_lost=lambda: losses.append(None))
    held = await open_queue(room=0)
    await queue.put(jobs("a", "b"))
    held.offer({LANE: 1})
    await until(lambda: len(held_by(held)) == 1)
    await (await channel.get_queue(NAME, ensure=False)).purge()
    await until(lambda: losses, within_s=WITHIN_S)
    await until(lambda: queue.depth() == 1)
    assert held_by(held) == ["a"], "what somebody has is not lost"


async def test_a_broker_that_refuses_more_says_that_the_queue_is_full(
    open_queue: OpenQueue, rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    vhost = rabbitmq_url.rsplit("/", 1)[1]
    api = await open_queue(room=0)
    limit = ("set_policy", "-p", vhost, "short", NAME, '{"max-length": 3}', "--apply-to", "queues")
    await asyncio.to_thread(rabbitmq.ctl, *limit)

    accepted = 0
    with pytest.raises(QueueFullError):
        for accepted in range(100):
            await api.put(jobs(f"job-{accepted}"))
    assert 3 <= accepted < 20, "the broker counts a moment late"
    await until(lambda: api.depth() == accepted, within_s=WITHIN_S)


async def test_a_message_that_is_no_job_is_set_aside(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    queue = await open_queue(room=4)
    await queue.put(jobs("before"))
    for body in (b"no job", b"{}", b'{"schema": 2, "job": {}}'):
        await send(channel, body)
    await queue.put(jobs("after"))
    await until(lambda: held_by(queue) == ["before", "after"])
    async with asyncio.timeout(WITHIN_S):
        while await ready(channel, UNREADABLE) < 3:
            pass
    assert (await queue.report()).dead == 3
    assert await queue.put_back_dead(limit=10) == 0, "they still cannot be read"
    # The broker takes them back a moment later.
    async with asyncio.timeout(WITHIN_S):
        while (await queue.report()).dead < 3:
            pass
    assert await queue.drop_dead() == 3
    assert (await queue.report()).dead == 0


async def test_a_message_that_can_be_read_by_now_is_put_back(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    queue = await open_queue(room=4)
    await queue.put(jobs("first"))
    for number in range(3):
        await send(channel, encode_job(make_job(f"job-{number}")), to=UNREADABLE)
    await send(channel, b"no job", to=UNREADABLE)
    assert await queue.put_back_dead(limit=2) == 2
    await until(lambda: held_by(queue) == ["first", "job-0", "job-1"])
    async with asyncio.timeout(WITHIN_S):  # what was looked at goes back a moment later
        while await ready(channel, UNREADABLE) < 2:
            pass


async def test_a_job_that_the_broker_has_given_up_is_handed_out_as_poison(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    queue = await open_queue(room=4)
    await send(channel, encode_job(make_job("tried too often")), to=DEAD)
    await until(lambda: held_by(queue) == ["tried too often"])
    await until(lambda: LANE in queue.lanes())
    lease = await take(queue)
    assert lease.deliveries > 20
    assert await queue.ack(lease)
    await until(lambda: held_by(queue) == [])


async def test_the_broker_gives_up_what_was_returned_too_often(
    open_queue: OpenQueue, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {**declarations.JOB_QUEUE, "x-delivery-limit": 2}
    monkeypatch.setattr(declarations, "JOB_QUEUE", few)
    api = await open_queue(room=0)
    await api.put(jobs("a"))
    queue = await channel.get_queue(NAME, ensure=False)
    async with asyncio.timeout(WITHIN_S):
        while not await ready(channel, DEAD):
            message = await queue.get(fail=False)
            if message is not None:
                await message.nack(requeue=True)
    worker = await open_queue(room=4)
    await until(lambda: held_by(worker) == ["a"])
    assert (await take(worker)).deliveries > 20


async def test_two_messages_of_one_job_are_one_job(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    queue = await open_queue(room=4)
    twice = make_job("twice")
    await queue.put([twice])
    await send(channel, encode_job(twice))
    await queue.put(jobs("after"))
    await until(lambda: held_by(queue) == ["twice", "after"])
    assert await queue.ack(await take(queue))
    await send(channel, encode_job(twice))
    await queue.put(jobs("at last"))
    await until(lambda: "at last" in held_by(queue))
    await queue.close()
    assert await ready(channel, NAME) <= 3


async def test_a_job_in_work_elsewhere_is_not_begun_a_second_time(
    open_queue: OpenQueue, channel: AbstractChannel
) -> None:
    one = await open_queue(room=4)
    long = make_job("long")
    await one.put([long])
    await until(lambda: held_by(one) == ["long"])
    lease = await take(one)
    two = await open_queue(room=4)
    one.offer(None)
    await until(lambda: NAME not in one._subscriptions.active(), within_s=WITHIN_S)
    await send(channel, encode_job(long))
    await until(lambda: held_by(two) == ["long"], within_s=WITHIN_S)
    assert await two.reserve([LANE]) is None
    assert await one.ack(lease)
    # Its owner has ended it: whoever takes it now finds that out from the results.
    await until(lambda: LANE in two.lanes(), within_s=WITHIN_S)
