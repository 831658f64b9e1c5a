"""Long work is done a part at a time, to its end."""

import pytest

from dispatcher.api.queue_documents import PurgedDocument, RequeuedDocument
from dispatcher.operations.steps import (
    STEP,
    PurgeTotal,
    RequeueTotal,
    purge_all,
    requeue_all,
)
from dispatcher.operations.target import OperationError
from tests.dispatcher.operations.states import ScriptedQueue

FULL = OperationError("The queue is full.", code="overloaded", retry_after_s=0.01)
AWAY = OperationError("It is away.", code="queue_unavailable", retry_after_s=1.0)


def purged(count: int, *, more: bool, dead: int = 0) -> PurgedDocument:
    return PurgedDocument(count, dead_messages=dead, more=more)


def requeued(count: int, following: str | None = None, **skipped: int) -> RequeuedDocument:
    return RequeuedDocument(count, put_back=0, skipped=skipped, next=following)


async def test_a_purge_goes_on_while_there_is_more() -> None:
    target = ScriptedQueue([purged(500, more=True), purged(3, more=False, dead=2)])
    seen: list[int] = []
    total = await purge_all(target, {"before": 7.0}, on_progress=seen.append)
    assert total == PurgeTotal(503, 2)
    assert seen == [500, 503]
    assert target.orders == 2 * [{"before": 7.0, "limit": STEP}]


async def test_a_purge_ends_when_nothing_can_be_purged_any_more() -> None:
    target = ScriptedQueue([purged(0, more=True)])
    assert await purge_all(target, {}, on_progress=lambda _: None) == PurgeTotal(0, 0)


async def test_jobs_are_repeated_from_where_the_last_call_has_stopped() -> None:
    target = ScriptedQueue([requeued(2, "job-2", image_gone=1), requeued(1, image_gone=2)])
    total = await requeue_all(target, {"code": "poison"}, most=None, on_progress=lambda _: None)
    assert total == RequeueTotal(3, put_back=0, skipped={"image_gone": 3})
    assert [order.get("after") for order in target.orders] == [None, "job-2"]
    assert {order["code"] for order in target.orders} == {"poison"}


async def test_no_more_are_repeated_than_were_asked_for() -> None:
    target = ScriptedQueue([requeued(2, "job-2"), requeued(1, "job-3")])
    total = await requeue_all(target, {}, most=3, on_progress=lambda _: None)
    assert total.requeued == 3
    assert [order["limit"] for order in target.orders] == [3, 1]


async def test_a_full_queue_is_waited_for() -> None:
    target = ScriptedQueue([requeued(2, "job-2"), FULL, FULL, requeued(1)])
    waits: list[bool] = []
    total = await requeue_all(
        target,
        {},
        most=None,
        on_progress=lambda _: None,
        on_wait=lambda: waits.append(True),
    )
    assert (total.requeued, len(waits)) == (3, 2)
    assert [order.get("after") for order in target.orders] == [None, "job-2", "job-2", "job-2"]


async def test_a_full_queue_that_nobody_works_off_is_not_waited_for() -> None:
    target = ScriptedQueue([requeued(2, "job-2"), FULL])
    target.may_drain = False
    with pytest.raises(OperationError, match="overloaded"):
        await requeue_all(target, {}, most=None, on_progress=lambda _: None)


async def test_what_does_not_pass_by_itself_ends_the_command() -> None:
    with pytest.raises(OperationError, match="queue_unavailable: It is away"):
        await requeue_all(ScriptedQueue([AWAY]), {}, most=None, on_progress=lambda _: None)
    with pytest.raises(OperationError, match="overloaded"):
        await purge_all(ScriptedQueue([FULL]), {}, on_progress=lambda _: None)
