"""Cancelling, repeating and outliving jobs; every answer fits its document."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.api.test_jobs import code_of, end_next
from tests.dispatcher.api.test_results import ticket_of
from tests.dispatcher.records import failed, make_job
from tests.dispatcher.waiting import until


async def all_jobs(services: Services) -> list[Any]:
    """All jobs, the oldest first."""
    return list(reversed(await services.results.list_jobs(tenant="")))


# DELETE /result/<id>


async def test_a_job_that_waits_can_be_cancelled(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await ticket_of(http)
    response = check(await http.delete(ticket["status_url"]))
    assert response.status_code == 200
    assert response.json() == {"request_id": ticket["request_id"], "status": "cancelled"}
    assert services.queue.depth() == 0
    after = check(await http.get(ticket["status_url"]))
    assert (after.status_code, after.json()["status"]) == (200, "cancelled")
    assert after.json()["result"] is after.json()["error"] is None


async def test_whoever_waits_for_a_job_is_told_when_it_is_cancelled(
    http: httpx.AsyncClient,
) -> None:
    ticket = await ticket_of(http)
    waiting = asyncio.create_task(http.get(ticket["status_url"], params={"wait": "30"}))
    await asyncio.wait([waiting], timeout=0.05)
    await http.delete(ticket["status_url"])
    async with asyncio.timeout(5):
        assert check(await waiting).json()["status"] == "cancelled"


async def test_a_job_that_has_ended_cannot_be_cancelled(
    http: httpx.AsyncClient, services: Services
) -> None:
    url = (await ticket_of(http))["status_url"]
    await end_next(services)
    assert code_of(await http.delete(url)) == (409, "already_ended")
    assert check(await http.get(url)).json()["status"] == "completed"
    cancelled = (await ticket_of(http, seed=2))["status_url"]
    await http.delete(cancelled)
    assert code_of(await http.delete(cancelled)) == (409, "already_ended")


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_a_job_of_somebody_else_is_as_unknown_as_one_that_never_was(
    http: httpx.AsyncClient, services: Services, method: str
) -> None:
    await services.results.add(failed(make_job("theirs", tenant="somebody else")))
    suffix = "/requeue" if method == "POST" else ""
    answers = [
        check(await http.request(method, f"/result/{job_id}{suffix}")).json()
        for job_id in ("theirs", "never-seen")
    ]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]
    assert (answers[0]["status"], answers[0]["code"]) == (404, "not_found")


async def test_a_cancelled_job_leaves_others_who_wait_for_the_same(
    http: httpx.AsyncClient, services: Services
) -> None:
    leader, follower = await ticket_of(http), await ticket_of(http)
    await http.delete(leader["status_url"])
    await end_next(services)
    assert check(await http.get(follower["status_url"])).json()["status"] == "completed"
    assert check(await http.get(leader["status_url"])).json()["status"] == "cancelled"


async def test_a_field_that_the_call_does_not_take_is_unknown(http: httpx.AsyncClient) -> None:
    for method, path in (("DELETE", "/result/x"), ("POST", "/result/x/requeue")):
        response = await http.request(method, path, params={"more": "1"})
        assert code_of(response) == (400, "unknown_field")
    assert code_of(await http.get("/results", params={"more": "1"})) == (400, "unknown_field")


async def test_the_figures_tell_cancelled_and_expired_jobs_apart_from_failed_ones(
    http: httpx.AsyncClient, services: Services
) -> None:
    for seed in range(3):
        await ticket_of(http, seed=seed)
    (failing, cancelling, expiring) = [job.id for job in await all_jobs(services)]
    await end_next(services, code="image_corrupt")
    await http.delete(f"/result/{cancelling}")
    await services.endings.expire(expiring)
    status = check(await http.get("/status")).json()
    names = ("total", "successful", "failed", "cancelled", "expired")
    assert [status[f"{name}_requests"] for name in names] == [3, 0, 1, 1, 1]
    assert status["health_metrics"]["error_rate"] == pytest.approx(66.67), "nobody failed one"
    text = check(await http.get("/metrics")).text
    for state in ("failed", "cancelled", "expired"):
        assert f'dispatcher_jobs_total{{outcome="{state}"}} 1.0' in text
    assert check(await http.get(f"/result/{failing}")).json()["status"] == "failed"


# POST /result/<id>/requeue


async def test_a_failed_job_can_be_repeated(http: httpx.AsyncClient, services: Services) -> None:
    first = await ticket_of(http, options={"priority": "2", "deadline_s": "60"})
    await end_next(services, code="replica_lost")
    response = check(await http.post(f"{first['status_url']}/requeue"))
    assert response.status_code == 202
    again = response.json()
    assert again["request_id"] != first["request_id"]
    document = check(await http.get(again["status_url"])).json()
    assert document["requeued_from"] == first["request_id"]
    assert (document["priority"], document["deadline_s"]) == (2, 60.0)
    ended = await end_next(services)
    assert ended.id == again["request_id"]
    assert check(await http.get(first["status_url"])).json()["status"] == "failed"


async def test_only_a_failed_job_can_be_repeated(
    http: httpx.AsyncClient, services: Services
) -> None:
    url = (await ticket_of(http))["status_url"]
    assert code_of(await http.post(f"{url}/requeue")) == (409, "not_failed")
    await end_next(services)
    assert code_of(await http.post(f"{url}/requeue")) == (409, "not_failed")


async def test_a_job_whose_image_is_not_there_cannot_be_repeated(
    http: httpx.AsyncClient, services: Services
) -> None:
    await services.results.add(failed(make_job("no-image")))
    await services.results.add(failed(make_job("lost-image", media_type="image/png")))
    for name in ("no-image", "lost-image"):
        assert code_of(await http.post(f"/result/{name}/requeue")) == (410, "image_gone")
    assert services.queue.depth() == 0


async def test_a_full_queue_takes_no_repeated_job_either(
    http: httpx.AsyncClient, services: Services
) -> None:
    url = (await ticket_of(http))["status_url"]
    await end_next(services, code="replica_lost")
    for seed in range(services.queue.capacity):
        await ticket_of(http, seed=seed + 1)
    response = await http.post(f"{url}/requeue")
    assert code_of(response) == (503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    await end_next(services)
    assert check(await http.post(f"{url}/requeue")).status_code == 202, "nothing of it is lost"


# Deadlines and estimates


async def test_a_job_is_expired_when_its_deadline_has_passed(
    http: httpx.AsyncClient, services: Services
) -> None:
    task = asyncio.create_task(services.deadlines.run(services.endings.expire))
    url = (await ticket_of(http, options={"deadline_s": "0"}))["status_url"]
    response = check(await http.get(url, params={"wait": "10"}))
    assert (response.status_code, response.json()["status"]) == (200, "expired")
    await until(lambda: services.queue.depth() == 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_estimated_before_the_rate_is_known(http: httpx.AsyncClient) -> None:
    url = (await ticket_of(http))["status_url"]
    assert check(await http.get(url)).json()["eta_s"] is None


async def test_the_estimate_is_the_place_in_the_lane_by_its_measured_rate(
    http: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    services.figures.note_waiting(["default"])
    for number in range(100):
        monkeypatch.setattr("time.monotonic", lambda moment=now + (number + 1) / 10: moment)
        services.figures.note_drained("default")
    urls = [(await ticket_of(http, seed=seed))["status_url"] for seed in range(3)]
    estimates = [check(await http.get(url)).json()["eta_s"] for url in urls]
    assert estimates == pytest.approx([0.1, 0.2, 0.3], rel=0.05)
    urgent = (await ticket_of_full(http, services))["status_url"]
    assert check(await http.get(urgent)).json()["eta_s"] == pytest.approx(0.1, rel=0.05)
    assert check(await http.get(urls[0])).json()["queue_position"] == 1


async def ticket_of_full(http: httpx.AsyncClient, services: Services) -> dict[str, Any]:
    """The ticket of an urgent job, after the last of the waiting ones has gone."""
    await http.delete(f"/result/{(await all_jobs(services))[-1].id}")
    return await ticket_of(http, options={"priority": "0"}, seed=9)
