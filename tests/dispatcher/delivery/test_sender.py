import asyncio
import time

import pytest

from dispatcher.delivery.callback_url import CallbackPolicy
from dispatcher.delivery.client import Answer
from dispatcher.delivery.receivers import MAX_CALLS_EACH
from dispatcher.delivery.schedule import DELAYS_S, JITTER, MAX_TRIES
from dispatcher.errors import GoneError
from dispatcher.jobs import Delivery, Job
from tests.dispatcher.delivery.sending import BROKEN, URL, Post
from tests.dispatcher.records import make_job
from tests.dispatcher.waiting import until

HOST = "hooks.example.com"


async def next_try(post: Post) -> Delivery:
    """Wait until a webhook is to be tried again; return when."""
    await until(lambda: post.counted("failed_try") and not post.caller.open_calls[HOST])
    (delivery,) = await post.results.deliveries()
    return delivery


async def called(post: Post, times: int) -> None:
    """Wait until so many calls have been made and recorded."""

    def is_recorded() -> bool:
        outcomes = ("failed_try", "given_up", "delivered")
        return sum(map(post.counted, outcomes)) == times == len(post.caller.calls)

    await until(is_recorded)


async def come_due(post: Post) -> None:
    """Let the time pass until the next try of the one webhook that waits, as a restart would."""
    (delivery,) = await post.results.deliveries()
    await post.results.put_delivery(Delivery(delivery.job_id, due_at=0.0, tries=delivery.tries))
    post.restart()


async def test_a_job_that_ends_is_told_at_once_and_once() -> None:
    post = Post()
    async with post.sending():
        await post.end("a")
        await until(lambda: not len(post.outbox))
    (call,) = post.caller.calls
    assert (call.receiver, call.message_id, call.body) == (HOST, "msg_a", b'{"id": "a"}')
    assert await post.results.deliveries() == []
    assert post.counted("delivered") == 1


async def test_a_job_without_an_address_tells_nobody() -> None:
    post = Post()
    async with post.sending():
        await post.results.add(make_job("quiet").cancelled(time.time()))
        await post.end("a")
        await until(lambda: not len(post.outbox))
    assert [call.message_id for call in post.caller.calls] == ["msg_a"]


async def test_what_an_earlier_process_left_is_delivered_after_a_restart() -> None:
    post = Post()
    await post.end("a")
    post.restart()
    assert len(post.outbox) == 0
    async with post.sending():
        await until(lambda: post.counted("delivered"))
    assert [call.message_id for call in post.caller.calls] == ["msg_a"]


async def test_a_call_that_a_restart_broke_off_is_made_again_under_the_same_id() -> None:
    post = Post()
    post.caller.silent = {HOST}
    async with post.sending():
        await post.end("a")
        await until(lambda: post.caller.calls)
    assert len(await post.results.deliveries()) == 1
    post.restart()
    post.caller.silent = set()
    async with post.sending():
        await until(lambda: post.counted("delivered"))
    assert [call.message_id for call in post.caller.calls] == ["msg_a"] * 2


@pytest.mark.parametrize("status", [None, 302, 400, 404, 429, 500])
async def test_what_is_not_taken_is_tried_again_later(status: int | None) -> None:
    post = Post()
    post.caller.answers = {HOST: [Answer(status, "so")]}
    before = time.time()
    async with post.sending():
        await post.end("a")
        delivery = await next_try(post)
    assert delivery.tries == 1
    pause_s = delivery.due_at - before
    assert DELAYS_S[0] * (1 - JITTER) <= pause_s <= DELAYS_S[0] * (1 + JITTER) + 1
    assert len(post.outbox) == 1


async def test_a_receiver_is_not_called_before_it_wants_to_be() -> None:
    post = Post()
    post.caller.answers = {HOST: [Answer(503, "so", retry_after_s=3600.0)]}
    async with post.sending():
        await post.end("a")
        delivery = await next_try(post)
    assert 3590 < delivery.due_at - time.time() <= 3600


async def test_a_receiver_that_was_down_gets_everything_under_the_same_ids() -> None:
    post = Post()
    post.caller.answers = {HOST: [BROKEN] * 6}
    async with post.sending():
        for number in range(3):
            await post.end(f"job-{number}")
        await until(lambda: post.counted("failed_try") == 3)
    for calls in (6, 9):
        for delivery in await post.results.deliveries():
            again = Delivery(delivery.job_id, due_at=0.0, tries=delivery.tries)
            await post.results.put_delivery(again)
        post.restart()
        async with post.sending():
            await called(post, calls)
    assert await post.results.deliveries() == []
    ids = [call.message_id for call in post.caller.calls]
    assert sorted(ids) == sorted([f"msg_job-{number}" for number in range(3)] * 3)


async def test_after_ten_tries_it_is_given_up() -> None:
    post = Post()
    post.caller.answers = {HOST: [BROKEN] * MAX_TRIES}
    await post.end("a")
    for tries in range(1, MAX_TRIES + 1):
        post.restart()
        async with post.sending():
            await called(post, tries)
        if tries < MAX_TRIES:
            await come_due(post)
    assert len(post.caller.calls) == MAX_TRIES
    assert await post.results.deliveries() == []
    assert post.counted("given_up") == 1


async def test_a_receiver_that_is_gone_is_given_up_at_once() -> None:
    post = Post()
    post.caller.answers = {HOST: [Answer(410, "so")]}
    async with post.sending():
        await post.end("a")
        await until(lambda: post.counted("given_up"))
    assert len(post.caller.calls) == 1
    assert await post.results.deliveries() == []


async def test_an_address_that_is_no_longer_allowed_is_not_called_but_kept() -> None:
    post = Post()
    async with post.sending(policy=CallbackPolicy()):
        await post.end("a", url="http://hooks.example.com/hook")
        await until(lambda: post.counted("failed_try"))
    assert post.caller.calls == []
    (delivery,) = await post.results.deliveries()
    assert delivery.tries == 1


async def test_a_silent_receiver_delays_no_other() -> None:
    post = Post()
    post.caller.silent = {"silent.example.com"}
    async with post.sending():
        for number in range(300):
            await post.end(f"silent-{number}", url="https://silent.example.com/")
        await until(lambda: post.caller.open_calls["silent.example.com"])
        for number in range(300):
            await post.end(f"good-{number}")
        await until(lambda: post.counted("delivered") == 300)
    assert post.caller.most_open["silent.example.com"] == 1
    assert 1 < post.caller.most_open[HOST] <= MAX_CALLS_EACH


async def test_a_webhook_whose_job_is_gone_is_forgotten() -> None:
    post = Post()
    await post.results.put_delivery(Delivery("nobody", due_at=0.0))
    async with post.sending():
        await until(lambda: post.counted("lost"))
    assert await post.results.deliveries() == []
    assert post.caller.calls == []


async def test_our_own_failure_costs_no_try_and_does_not_end_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.delivery.sender._PAUSE_AFTER_FAULT_S", 0.01)
    failures = [OSError("the disk"), OSError("the disk")]
    post = Post()

    def document_of(job: Job) -> bytes:
        if failures:
            raise failures.pop()
        return b"{}"

    async with post.sending(document_of=document_of):
        await post.end("a")
        await until(lambda: post.counted("delivered"))
    assert post.counted("failed_try") == 0
    assert len(post.caller.calls) == 1


async def test_a_store_that_fails_for_a_moment_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dispatcher.delivery.sender._PAUSE_AFTER_FAULT_S", 0.01)
    post = Post()
    ended = await post.end("a")
    failures = [OSError("the disk")] * 2

    async def get(_: str) -> Job:
        if failures:
            raise failures.pop()
        return ended

    monkeypatch.setattr(post.results, "get", get)
    async with post.sending():
        await until(lambda: post.counted("delivered"))
    assert await post.results.deliveries() == []


async def test_a_job_is_kept_until_its_webhook_is_delivered() -> None:
    post = Post()
    post.caller.silent = {HOST}
    old = make_job("a", webhook_url=URL, queued_at=1000.0)
    async with post.sending():
        await post.results.add(old)
        await post.results.save(old.cancelled(1001.0))
        await until(lambda: post.caller.calls)
        await post.results.drop_old()
    assert len(await post.results.deliveries()) == 1
    await post.results.end_delivery("a")
    with pytest.raises(GoneError):
        await post.results.get("a")


async def test_the_sender_ends_when_it_is_told_to() -> None:
    post = Post()
    post.caller.silent = {HOST}
    async with asyncio.timeout(5), post.sending():
        await post.end("a")
        await until(lambda: post.caller.calls)
    assert post.caller.open_calls[HOST] == 0
