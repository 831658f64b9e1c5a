"""What every result store promises of webhooks; each backend runs through all of it."""

import pytest

from dispatcher.errors import GoneError
from dispatcher.jobs import Delivery
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import (
    RETENTION_COUNT,
    end,
    expect_count,
    hit,
    let_drop,
    too_long_ago,
)

URL = "https://hooks.example.com/"


async def end_with_webhook(results: ResultStore, job_id: str, *, at: float | None = None) -> float:
    """End a job that has a webhook; return when."""
    job = make_job(job_id, webhook_url=URL)
    await results.add(job)
    ended = completed(job, at=at)
    assert await results.save(ended)
    assert ended.completed_at is not None
    return ended.completed_at


async def test_a_job_that_ends_leaves_a_delivery_and_hands_it_over(
    results: ResultStore, due: list[Delivery]
) -> None:
    job = make_job("a", webhook_url=URL)
    await results.add(job)
    await results.save(job.started(1.0))
    assert await results.deliveries() == due == []
    ended = failed(job)
    await results.save(ended)
    assert ended.completed_at is not None
    assert await results.deliveries() == due == [Delivery("a", due_at=ended.completed_at)]


async def test_a_job_that_was_answered_at_once_leaves_one_too(
    results: ResultStore, due: list[Delivery]
) -> None:
    queued = make_job("a", webhook_url=URL)
    await results.add(queued.served_from_cache({}, (), "r1"))
    assert await results.deliveries() == due == [Delivery("a", due_at=queued.queued_at)]


async def test_a_job_without_a_webhook_leaves_none(
    results: ResultStore, due: list[Delivery]
) -> None:
    await end(results, "a")
    await results.add(hit("b"))
    assert await results.deliveries() == due == []


async def test_a_job_that_ends_twice_is_delivered_once(
    results: ResultStore, due: list[Delivery]
) -> None:
    await end_with_webhook(results, "a")
    assert not await results.save(failed(make_job("a", webhook_url=URL)))
    assert len(due) == len(await results.deliveries()) == 1


async def test_a_delivery_is_read_as_it_was_put_last(
    results: ResultStore, due: list[Delivery]
) -> None:
    await end_with_webhook(results, "a")
    again = Delivery("a", due_at=1234.5, tries=3)
    await results.put_delivery(again)
    assert await results.deliveries() == [again]
    assert len(due) == 1, "whoever has put it knows"


async def test_a_delivery_that_has_ended_is_forgotten(results: ResultStore) -> None:
    await end_with_webhook(results, "a")
    await end_with_webhook(results, "b")
    await results.end_delivery("a")
    assert [delivery.job_id for delivery in await results.deliveries()] == ["b"]
    await results.end_delivery("a")


async def test_a_job_is_kept_and_read_until_its_delivery_has_ended(results: ResultStore) -> None:
    await end_with_webhook(results, "a", at=too_long_ago())
    await results.drop_old()
    assert (await results.get("a")).webhook_url == URL
    assert (await results.wait("a", timeout_s=1)).id == "a"
    await results.end_delivery("a")
    with pytest.raises(GoneError):
        await results.get("a")


async def test_jobs_with_deliveries_do_not_count_others_out(results: ResultStore) -> None:
    await end_with_webhook(results, "a")
    for number in range(RETENTION_COUNT + 1):
        await end(results, f"job-{number}")
    await let_drop(results)
    assert (await results.get("a")).id == "a"
    with pytest.raises(GoneError):
        await results.get("job-0")
    assert (await results.get(f"job-{RETENTION_COUNT}")).id == f"job-{RETENTION_COUNT}"


async def test_a_delivery_of_no_job_can_be_forgotten(results: ResultStore) -> None:
    await results.put_delivery(Delivery("nobody", due_at=1.0))
    await results.end_delivery("nobody")
    assert await results.deliveries() == []


async def test_jobs_with_deliveries_push_out_no_others(results: ResultStore) -> None:
    """A receiver that is down for long must not cost anybody else a result."""
    for number in range(3 * RETENTION_COUNT):
        await end_with_webhook(results, f"due-{number}")
        await end(results, f"job-{number}")
        assert (await results.get(f"job-{number}")).id == f"job-{number}"
    for number in range(3 * RETENTION_COUNT):
        assert (await results.get(f"due-{number}")).id == f"due-{number}"
    for number in range(3 * RETENTION_COUNT):
        await results.end_delivery(f"due-{number}")
    await end(results, "one more")
    await let_drop(results)
    await expect_count(results, RETENTION_COUNT)
