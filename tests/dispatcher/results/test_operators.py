"""What a result store gives an operator: everybody's jobs, and an end to some before their time."""

import pytest

from dispatcher.errors import GoneError
from dispatcher.jobs import JobState
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import Dropped, end, hit, one_process


async def test_everybodys_jobs_are_listed_together(results: ResultStore) -> None:
    for number, tenant in enumerate(("ann", "", "bob")):
        await results.add(make_job(f"job-{number}", tenant=tenant, coalesced=True))
    await results.save(failed(make_job("job-2", tenant="bob")))
    listed = await results.list_jobs(tenant=None)
    assert [job.id for job in listed] == ["job-2", "job-1", "job-0"]
    assert [job.id for job in await results.list_jobs(tenant=None, states={JobState.FAILED})] == [
        "job-2"
    ]
    assert [job.id for job in await results.list_jobs(tenant=None, before="job-2", limit=1)] == [
        "job-1"
    ]


async def test_an_ended_job_is_dropped_before_its_time(results: ResultStore) -> None:
    for name in ("a", "b"):
        await end(results, name)
    await results.add(hit("c"))
    assert await results.drop(["a", "a", "c", "unknown"]) == 2
    for name in ("a", "c"):
        with pytest.raises(GoneError):
            await results.get(name)
    assert (await results.get("b")).state is JobState.COMPLETED
    assert await results.drop(["a"]) == 0


@one_process
async def test_what_dropped_jobs_hold_elsewhere_goes_too(
    results: ResultStore, dropped: Dropped
) -> None:
    await end(results, "a")
    await results.add(hit("c"))
    await results.drop(["a", "c"])
    assert sorted(dropped.ids()) == ["a", "c"]


async def test_what_has_not_ended_or_is_to_be_delivered_stays(
    results: ResultStore, dropped: Dropped
) -> None:
    told = make_job("told", webhook_url="https://example.org/hook")
    for job in (make_job("open", coalesced=True), told):
        await results.add(job)
    await results.save(completed(told))
    assert await results.drop(["open", "told"]) == 0
    assert {(await results.get(name)).state for name in ("open", "told")} == {
        JobState.QUEUED,
        JobState.COMPLETED,
    }
    assert dropped.ids() == []
