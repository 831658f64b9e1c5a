"""The queue over HTTP: answers as documented, orders read strictly, and operators only."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dispatcher.api.guards.guard import scope_of
from dispatcher.api.guards.keys import Scope
from dispatcher.jobs import JobState, Priority
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.records import failed, make_job


@pytest.fixture
async def services(services: Services) -> Services:
    """Services whose queue and results are open."""
    assert services.writer is not None
    await services.writer.start()
    for room in (services.queue, services.results):
        await room.start()
    return services


@pytest.fixture(autouse=True)
async def closed(services: Services) -> Any:
    yield
    assert services.writer is not None
    await services.writer.close()


async def accept(services: Services, *names: str, **changes: Any) -> None:
    for name in names:
        job = make_job(name, **changes)
        await services.results.add(job)
        await services.queue.put([job])


async def post(http: httpx.AsyncClient, path: str, **order: Any) -> Mapping[str, Any]:
    answer = check(await http.post(f"/queue/{path}", json=order))
    assert answer.status_code == 200, answer.text
    document: Mapping[str, Any] = answer.json()
    return document


async def test_a_queue_is_told_by_lane_and_priority(
    http: httpx.AsyncClient, services: Services
) -> None:
    await accept(services, "a", "b", priority=Priority.HIGH)
    await services.queue.reserve(["default"])
    document = check(await http.get("/queue")).json()
    assert (document["backend"], document["capacity"]) == ("sqlite", 3)
    assert (document["waiting"], document["in_work"], document["dead_messages"]) == (1, 1, 0)
    [lane] = document["lanes"]
    assert (lane["lane"], lane["waiting"], lane["in_work"]) == ("default", 1, 1)
    assert lane["priorities"][0] == {"priority": 0, "waiting": 1, "consumers": None}
    assert document["failed"] == {}


async def test_a_purge_cancels_what_waits_until_there_is_no_more(
    http: httpx.AsyncClient, services: Services
) -> None:
    await accept(services, "a", "b", "c")
    assert await post(http, "purge", limit=2) == {"purged": 2, "dead_messages": 0, "more": True}
    assert await post(http, "purge") == {"purged": 1, "dead_messages": 0, "more": False}
    states = {(await services.results.get(name)).state for name in "abc"}
    assert states == {JobState.CANCELLED}


async def test_failed_jobs_are_purged_only_when_they_are_named(
    http: httpx.AsyncClient, services: Services
) -> None:
    await services.results.add(make_job("a", coalesced=True))
    await services.results.save(failed(make_job("a"), "poison"))
    assert (await post(http, "purge"))["purged"] == 0
    assert check(await http.get("/queue")).json()["failed"] == {"poison": 1}
    assert (await post(http, "purge", what="failed", code="other"))["purged"] == 0
    assert (await post(http, "purge", what="failed", code="poison"))["purged"] == 1
    assert check(await http.get("/result/a")).status_code == 410


async def test_what_cannot_be_repeated_is_counted(
    http: httpx.AsyncClient, services: Services
) -> None:
    await services.results.add(make_job("a", coalesced=True))
    await services.results.save(failed(make_job("a"), "poison"))
    assert await post(http, "requeue", code="poison") == {
        "requeued": 0,
        "put_back": 0,
        "skipped": {"image_gone": 1},
        "next": None,
    }


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("purge", {"what": "everything"}),
        ("purge", {"lane": ""}),
        ("purge", {"lane": 1}),
        ("purge", {"limit": 0}),
        ("purge", {"limit": 1001}),
        ("purge", {"limit": True}),
        ("purge", {"before": "now"}),
        ("purge", {"code": "poison"}),
        ("purge", {"after": "a"}),
        ("purge", []),
        ("requeue", {"what": "failed"}),
        ("requeue", {"all": True}),
        ("requeue", {"limit": 1.5}),
    ],
    ids=str,
)
async def test_an_order_that_cannot_be_changes_nothing(
    http: httpx.AsyncClient, services: Services, path: str, order: object
) -> None:
    await accept(services, "a")
    answer = check(await http.post(f"/queue/{path}", json=order))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert services.queue.depth() == 1


@pytest.mark.parametrize("path", ["purge", "requeue"])
async def test_a_page_of_another_site_can_order_nothing(
    http: httpx.AsyncClient, services: Services, path: str
) -> None:
    await accept(services, "a")
    answer = check(await http.post(f"/queue/{path}", content=b"{}"))
    assert answer.json()["code"] == "unsupported_media_type"
    assert services.queue.depth() == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/queue"), ("POST", "/queue/purge"), ("POST", "/queue/requeue")]
)
def test_only_operators_may(method: str, path: str) -> None:
    assert scope_of(method, path) is Scope.ADMIN
