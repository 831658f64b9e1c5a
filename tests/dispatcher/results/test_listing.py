"""What every result store promises of lists; each backend runs through all of it."""

import time

from dispatcher.jobs import Job, JobState
from dispatcher.results.base import ResultStore
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.results.ending import hit, too_long_ago


def safe(job_id: str, **changes: str) -> Job:
    """A job that waits for an identical one: it is safe as soon as it is added."""
    return make_job(job_id, coalesced=True, **changes)


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


async def test_the_latest_accepted_comes_first(results: ResultStore) -> None:
    for name in "abc":
        await results.add(safe(name))
    await results.save(completed(make_job("a")))
    assert ids(await results.list_jobs(tenant="")) == ["c", "b", "a"]


async def test_a_list_shows_jobs_as_they_are_now(results: ResultStore) -> None:
    job = safe("a")
    await results.add(job)
    await results.save(job.started(time.time()))
    assert [j.state for j in await results.list_jobs(tenant="")] == [JobState.PROCESSING]
    ended = failed(job)
    await results.save(ended)
    assert await results.list_jobs(tenant="") == [ended]


async def test_a_list_can_be_of_some_states(results: ResultStore) -> None:
    for name in "abcd":
        await results.add(safe(name))
    await results.save(failed(make_job("a")))
    await results.save(completed(make_job("b")))
    await results.save(make_job("c").started(time.time()))
    for states, expected in [
        ({JobState.FAILED}, ["a"]),
        ({JobState.FAILED, JobState.COMPLETED}, ["b", "a"]),
        ({JobState.PROCESSING}, ["c"]),
        ({JobState.QUEUED}, ["d"]),
        ({JobState.CANCELLED}, []),
    ]:
        assert ids(await results.list_jobs(tenant="", states=states)) == expected


async def test_a_list_can_be_of_what_has_a_text_in_its_names(results: ResultStore) -> None:
    await results.add(safe("a", filename="Koala 1.jpg"))
    await results.add(safe("b", filename="GRÜSSE.png", pipeline_id="koalas"))
    await results.add(safe("c", filename="tank.png"))
    await results.save(failed(make_job("a", filename="Koala 1.jpg")))
    for text, expected in [
        ("koala", ["b", "a"]),
        ("LA 1", ["a"]),
        ("grüsse", ["b"]),
        ("tank.png", ["c"]),
        ("%", []),
    ]:
        assert ids(await results.list_jobs(tenant="", text=text)) == expected, text
    assert ids(await results.list_jobs(tenant="", text="koala", limit=1)) == ["b"]
    assert ids(await results.list_jobs(tenant="", text="koala", before="b")) == ["a"]
    failures = await results.list_jobs(tenant="", text="koala", states={JobState.FAILED})
    assert ids(failures) == ["a"]


async def test_a_list_is_read_page_by_page(results: ResultStore) -> None:
    names = [f"job-{number}" for number in range(7)]
    for name in names:
        await results.add(safe(name))
    seen: list[str] = []
    while page := await results.list_jobs(tenant="", before=seen[-1] if seen else None, limit=3):
        assert len(page) <= 3
        seen += ids(page)
    assert seen == names[::-1]


async def test_what_is_accepted_meanwhile_moves_no_page(results: ResultStore) -> None:
    for name in "abcd":
        await results.add(safe(name))
    first = ids(await results.list_jobs(tenant="", limit=2))
    await results.add(safe("e"))
    second = ids(await results.list_jobs(tenant="", before=first[-1], limit=2))
    assert (first, second) == (["d", "c"], ["b", "a"])


async def test_after_the_last_and_after_an_unknown_job_comes_nothing(results: ResultStore) -> None:
    await results.add(safe("a"))
    assert await results.list_jobs(tenant="", before="a") == []
    assert await results.list_jobs(tenant="", before="unknown") == []


async def test_nobody_sees_the_jobs_of_another_tenant(results: ResultStore) -> None:
    await results.add(safe("a", tenant="one"))
    await results.add(safe("b", tenant="two"))
    assert ids(await results.list_jobs(tenant="one")) == ["a"]
    assert ids(await results.list_jobs(tenant="two")) == ["b"]
    assert await results.list_jobs(tenant="") == []


async def test_a_job_that_was_answered_at_once_is_listed(results: ResultStore) -> None:
    await results.add(hit("a"))
    assert ids(await results.list_jobs(tenant="")) == ["a"]


async def test_what_was_discarded_or_dropped_is_not_listed(results: ResultStore) -> None:
    for name in ("kept", "discarded", "dropped"):
        await results.add(safe(name))
    await results.discard("discarded")
    await results.save(completed(make_job("dropped"), at=too_long_ago()))
    await results.drop_old()
    assert ids(await results.list_jobs(tenant="")) == ["kept"]
