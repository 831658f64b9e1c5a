"""``GET /results``: the caller's jobs, page by page; every answer fits its document."""

from typing import Any

import httpx
import pytest

from dispatcher.api.results import MAX_LIMIT
from dispatcher.jobs import JobState
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.api.test_jobs import code_of, end_next, submit
from tests.dispatcher.records import completed, failed, make_job


async def ticket_of(http: httpx.AsyncClient, **options: Any) -> dict[str, Any]:
    document: dict[str, Any] = (await submit(http, **options)).json()
    return document


async def listed(http: httpx.AsyncClient, **query: Any) -> tuple[list[str], str | None]:
    """The ids of one page and where the next begins."""
    document = check(await http.get("/results", params=query)).json()
    return [entry["request_id"] for entry in document["results"]], document["next"]


async def keep(services: Services, *names: str, **changes: Any) -> None:
    for name in names:
        await services.results.add(make_job(name, **changes))


async def test_jobs_are_listed_the_latest_first(
    http: httpx.AsyncClient, services: Services
) -> None:
    assert await listed(http) == ([], None)
    tickets = [(await ticket_of(http, seed=seed))["request_id"] for seed in range(3)]
    await end_next(services)
    assert await listed(http) == (tickets[::-1], None)


async def test_every_entry_is_the_document_of_its_job(
    http: httpx.AsyncClient, services: Services
) -> None:
    urls = [(await ticket_of(http, seed=seed))["status_url"] for seed in range(2)]
    await end_next(services, code="image_corrupt")
    entries = check(await http.get("/results")).json()["results"]
    assert entries == [check(await http.get(url)).json() for url in reversed(urls)]
    assert entries[1]["error"]["code"] == "image_corrupt"
    assert entries[0]["queue_position"] == 0


async def test_only_jobs_of_the_states_that_are_named_are_listed(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep(services, "open")
    await services.results.add(completed(make_job("good")))
    await services.results.add(failed(make_job("bad")))
    assert (await listed(http, status="failed"))[0] == ["bad"]
    assert (await listed(http, status="failed,queued"))[0] == ["bad", "open"]
    assert (await listed(http, status=",".join(JobState)))[0] == ["bad", "good", "open"]


async def test_a_job_is_found_by_a_part_of_its_names_however_many_came_after_it(
    http: httpx.AsyncClient, services: Services
) -> None:
    await services.results.add(completed(make_job("old", filename="Koala.jpg")))
    later = (f"job-{number}" for number in range(MAX_LIMIT + 1))
    await keep(services, *later, filename="tank.png")
    assert await listed(http, q="koala") == (["old"], None)
    assert await listed(http, q="koala", status="failed") == ([], None)
    assert (await listed(http, q="job-50", limit=1)) == (["job-500"], "job-500")
    for text in ("", "x" * 201):
        assert code_of(await http.get("/results", params={"q": text})) == (422, "invalid_value")


async def test_jobs_of_others_are_not_listed(http: httpx.AsyncClient, services: Services) -> None:
    await keep(services, "theirs", tenant="somebody else")
    await keep(services, "mine")
    assert await listed(http) == (["mine"], None)
    assert code_of(await http.get("/results?after=theirs")) == (422, "invalid_value")


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_the_pages_together_are_the_whole_list(
    http: httpx.AsyncClient, services: Services, limit: int
) -> None:
    names = [f"job-{number}" for number in range(6)]
    await keep(services, *names)
    found, after = await listed(http, limit=limit)
    assert len(found) == min(limit, 6)
    while after is not None:
        page, after = await listed(http, limit=limit, after=after)
        assert page, "no page is empty"
        found += page
    assert found == names[::-1]


async def test_a_page_has_fifty_jobs_unless_told_otherwise(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep(services, *(str(number) for number in range(501)))
    page, after = await listed(http)
    assert (len(page), after) == (50, page[-1])
    assert len((await listed(http, limit=500))[0]) == 500


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "-1"},
        {"limit": "many"},
        {"limit": "٣"},
        {"limit": ""},
        {"limit": "9" * 5000},
        {"status": ""},
        {"status": "dead"},
        {"status": "failed,"},
        {"status": "FAILED"},
        {"after": ""},
        {"after": "never-seen"},
    ],
)
async def test_a_question_that_cannot_be_is_refused(
    http: httpx.AsyncClient, query: dict[str, str]
) -> None:
    assert code_of(await http.get("/results", params=query)) == (422, "invalid_value")
