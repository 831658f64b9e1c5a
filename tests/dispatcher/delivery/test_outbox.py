import asyncio
import time
from collections.abc import Callable

import pytest

from dispatcher.delivery.outbox import Outbox
from dispatcher.delivery.schedule import MAX_DELAY_S
from dispatcher.jobs import Delivery
from tests.dispatcher.waiting import turns


def due_in(seconds: float, job_id: str = "a") -> Delivery:
    return Delivery(job_id, due_at=time.time() + seconds)


def test_what_is_due_is_taken_the_earliest_first() -> None:
    outbox = Outbox()
    for seconds, job_id in ((-1.0, "b"), (-2.0, "c"), (100.0, "later")):
        outbox.add(due_in(seconds, job_id))
    taken = [delivery.job_id for delivery in iter(outbox.take, None)]
    assert sorted(taken) == ["b", "c"], "what is overdue comes in the order in which it was added"
    assert len(outbox) == 3, "until it is forgotten"


def test_a_webhook_is_taken_in_once_until_it_is_forgotten() -> None:
    outbox = Outbox()
    outbox.add(due_in(0))
    outbox.add(due_in(0))
    assert outbox.take() is not None
    outbox.add(due_in(0))
    assert outbox.take() is None
    outbox.forget("a")
    outbox.add(due_in(0))
    assert outbox.take() is not None


async def test_waiting_ends_when_something_is_due() -> None:
    outbox = Outbox()
    outbox.add(due_in(0.05))
    async with asyncio.timeout(5):
        while outbox.take() is None:
            await outbox.wait()


async def test_waiting_ends_when_something_is_added_or_somebody_notifies() -> None:
    outbox = Outbox()
    wakes: list[Callable[[], None]] = [lambda: outbox.add(due_in(1000)), outbox.notify]
    for wake in wakes:
        waiting = asyncio.create_task(outbox.wait())
        await turns(3)
        assert not waiting.done()
        wake()
        async with asyncio.timeout(5):
            await waiting


@pytest.mark.parametrize("jump_s", [-30 * 86400.0, 30 * 86400.0])
def test_a_clock_that_jumped_puts_nothing_off_for_ever(
    jump_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox()
    outbox.add(due_in(jump_s))
    later_s = time.monotonic() + MAX_DELAY_S + 1
    monkeypatch.setattr("dispatcher.delivery.outbox.time.monotonic", lambda: later_s)
    assert outbox.take() is not None


def test_a_clock_that_jumps_later_sends_nothing_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox()
    outbox.add(due_in(3600))
    monkeypatch.setattr("dispatcher.delivery.outbox.time.time", lambda: 1e12)
    assert outbox.take() is None
