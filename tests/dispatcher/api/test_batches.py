"""``POST /process`` and ``GET /batch/<id>`` through the whole application."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from dispatcher.api.batches import batch_document
from dispatcher.api.contents import contents_of
from dispatcher.app import create_app
from dispatcher.jobs import Batch, SentFile
from dispatcher.wiring import Services
from tests.dispatcher.api.batching import (
    BLUR,
    FORM,
    actions,
    end_next,
    file,
    open_services,
    process,
    send,
)
from tests.dispatcher.api.contract import check, validate
from tests.dispatcher.forms import Part, form, text
from tests.dispatcher.images import png
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.waiting import turns


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(tmp_path) as opened:
        yield opened


async def read(http: httpx.AsyncClient, ticket: dict[str, Any]) -> dict[str, Any]:
    response = check(await http.get(ticket["status_url"]))
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, check(response).json()["code"]


# POST /process


async def test_a_batch_is_answered_with_a_ticket_for_each_file(http: httpx.AsyncClient) -> None:
    files = [file("a.png", seed=1), file("bad.png", data=b"text"), file("a.png", seed=2)]
    response = check(await process(http, actions(), *files))
    assert response.status_code == 202
    ticket = response.json()
    assert ticket["status_url"] == f"/batch/{ticket['batch_id']}"
    assert ticket["static_url"] == f"/static/{ticket['batch_id']}/"
    assert ticket["zip_url"] == f"/batch/{ticket['batch_id']}/zip"
    assert [entry["filename"] for entry in ticket["requests"]] == ["a.png", "bad.png", "a.png"]
    assert [entry["status"] for entry in ticket["requests"]] == ["queued", "failed", "queued"]
    for entry in ticket["requests"]:
        assert entry["status_url"] == f"/result/{entry['request_id']}"
        result = check(await http.get(entry["status_url"])).json()
        assert (result["filename"], result["status"]) == (entry["filename"], entry["status"])


async def test_files_and_actions_come_in_any_order(http: httpx.AsyncClient) -> None:
    for parts in (
        (actions(), file()),
        (file(), actions()),
        (file(), text("cache", "true"), actions()),
    ):
        assert (await process(http, *parts)).status_code == 202


async def test_a_client_of_the_reference_system_is_understood(http: httpx.AsyncClient) -> None:
    document = {
        "operations": [["resize", "200x300"], ["split", True], ["blur", "gaussian"]],
        "output": "jpg",
    }
    response = await http.post(
        "/process",
        data={"actions": json.dumps(document)},
        files=[("files", ("a.jpg", png())), ("files", ("b.png", png(tail=b"b")))],
    )
    assert response.status_code == 202
    assert len(response.json()["requests"]) == 2


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), (422, "missing_field")),
        ((actions(),), (422, "missing_field")),
        ((file(),), (422, "missing_field")),
        ((actions({}), file()), (422, "invalid_params")),
        ((actions({"operations": [["resize", 0]]}), file()), (422, "invalid_params")),
        ((actions({**BLUR, "output": "exe"}), file()), (422, "invalid_params")),
        ((actions(), file(), text("cache", "perhaps")), (422, "invalid_value")),
        ((actions(), text("files", "x")), (422, "wrong_field_kind")),
        ((actions(), file(), text("pipeline", "default")), (400, "unknown_field")),
        ((actions(), *[text("cache", "true")] * 2, file()), (400, "duplicate_field")),
        ((actions(), *[file()] * 1001), (413, "too_many_parts")),
        ((text("actions", "x" * 70_000), file()), (413, "field_too_large")),
    ],
)
async def test_a_form_that_cannot_be_is_refused_and_nothing_is_kept(
    http: httpx.AsyncClient,
    services: Services,
    parts: tuple[Part, ...],
    expected: tuple[int, str],
) -> None:
    assert code_of(await process(http, *parts)) == expected
    assert services.results.count() == services.queue.depth() == services.figures.accepted == 0
    assert services.blobs.total_bytes() == 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (415, "unsupported_media_type")),
        ({"content-type": "application/x-www-form-urlencoded"}, (415, "unsupported_media_type")),
        ({"content-type": "image/png"}, (415, "unsupported_media_type")),
        (FORM | {"content-encoding": "gzip"}, (415, "unsupported_encoding")),
        ({"content-type": "multipart/form-data"}, (400, "malformed_multipart")),
        (FORM | {"content-length": "9" * 12}, (413, "payload_too_large")),
    ],
)
async def test_a_body_that_cannot_be_is_refused(
    http: httpx.AsyncClient, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    body = form(actions(), file())
    assert code_of(await http.post("/process", content=body, headers=headers)) == expected


async def test_two_content_types_are_one_too_many(http: httpx.AsyncClient) -> None:
    headers = [("content-type", FORM["content-type"]), ("content-type", "text/plain")]
    response = await http.post("/process", content=form(actions(), file()), headers=headers)
    assert code_of(response) == (400, "malformed_multipart")


async def test_the_query_takes_nothing(http: httpx.AsyncClient) -> None:
    response = await http.post("/process?cache=false", content=b"", headers=FORM)
    assert code_of(response) == (400, "unknown_field")


async def test_only_post_is_taken(http: httpx.AsyncClient) -> None:
    assert (await http.get("/process")).status_code == 405
    assert (await http.post("/batch/x")).status_code == 405


async def test_a_full_queue_refuses_all(http: httpx.AsyncClient, services: Services) -> None:
    await send(http, *(file(seed=number) for number in range(5)))
    response = await process(http, actions(), file(seed=9), file(seed=8))
    assert code_of(response) == (503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    assert services.queue.depth() == 5


async def test_without_a_pool_for_operations_they_are_refused(
    http: httpx.AsyncClient, services: Services
) -> None:
    services.pipelines.replace([])
    assert code_of(await process(http, actions(), file())) == (404, "unknown_pipeline")


async def test_refusals_are_counted(http: httpx.AsyncClient) -> None:
    await process(http, file())
    await process(http, actions({}))
    metrics = (await http.get("/metrics")).text
    assert 'dispatcher_jobs_total{outcome="refused_missing_field"} 1.0' in metrics
    assert 'dispatcher_jobs_total{outcome="refused_invalid_params"} 1.0' in metrics


# GET /batch/<id>


async def test_a_batch_tells_how_far_its_jobs_are(
    http: httpx.AsyncClient, services: Services
) -> None:
    files = [file("a.png", seed=1), file("bad.png", data=b"text"), file("b.png", seed=2)]
    ticket = await send(http, *files, file("c.png", seed=3))
    before = await read(http, ticket)
    assert before["counts"] == {
        "queued": 3, "processing": 0, "completed": 0, "failed": 1, "cancelled": 0, "expired": 0,
        "gone": 0,
    }  # fmt: skip
    assert (before["total"], before["is_done"]) == (4, False)
    await end_next(services)
    await end_next(services, code="image_truncated")
    half = await read(http, ticket)
    assert (half["counts"]["completed"], half["counts"]["failed"]) == (1, 2)
    assert half["requests"][1]["error"]["code"] == "unsupported_image_type"
    assert half["requests"][2]["error"] == {"code": "image_truncated", "detail": "It is so."}
    await end_next(services)
    after = await read(http, ticket)
    assert after["is_done"] is True
    assert sum(after["counts"].values()) == after["total"]


async def test_pictures_are_linked_as_soon_as_they_are_made(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await send(http, file("koala.png", seed=1), file("köala ü.png", seed=2))
    first, second = (await read(http, ticket))["requests"]
    assert first["outputs"] == second["outputs"] == []
    assert first["sent"] == f"{ticket['static_url']}sent/koala.png"
    await end_next(services, "image/jpeg", "image/jpeg", is_split=True)
    await end_next(services, "image/webp")
    first, second = (await read(http, ticket))["requests"]
    made = f"{ticket['static_url']}made/"
    assert first["outputs"] == [f"{made}koala-piece-01.jpg", f"{made}koala-piece-02.jpg"]
    assert second["outputs"] == [f"{made}k%C3%B6ala%20%C3%BC.webp"]
    for url in (first["sent"], second["sent"], *first["outputs"], *second["outputs"]):
        assert (await http.get(url)).status_code == 200


async def test_several_actions_make_several_pictures_of_a_file_that_is_listed_once(
    http: httpx.AsyncClient, services: Services
) -> None:
    document = [BLUR, {"operations": [["sobel"]]}]
    ticket = await send(http, file("koala.png"), document=document)
    await end_next(services)
    await end_next(services)
    first, second = (await read(http, ticket))["requests"]
    assert first["outputs"] == [f"{ticket['static_url']}made/koala.png"]
    assert second["outputs"] == [f"{ticket['static_url']}made/koala-2.png"]
    assert first["sent"] is not None
    assert second["sent"] is None


async def test_the_answer_waits_until_the_last_job_has_ended(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await send(http, file(seed=1), file(seed=2))
    waiting = asyncio.create_task(http.get(ticket["status_url"], params={"wait": 30}))
    await turns(10)
    await end_next(services)
    await turns(10)
    assert not waiting.done()
    await end_next(services)
    async with asyncio.timeout(5):
        document = check(await waiting).json()
    assert document["is_done"] is True


async def test_the_answer_comes_when_the_wait_is_over(http: httpx.AsyncClient) -> None:
    ticket = await send(http, file(seed=1), file(seed=2))
    async with asyncio.timeout(5):
        response = await http.get(ticket["status_url"], params={"wait": 0.01})
    assert response.json()["counts"]["queued"] == 2


async def test_a_batch_outlives_those_of_its_jobs_that_are_no_longer_kept(
    tmp_path: Path,
) -> None:
    async with open_services(tmp_path, "--result-retention-count", "1") as services:
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            ticket = await send(http, file("a.png", seed=1), file("b.png", seed=2))
            for _ in range(2):
                await end_next(services)
            response = await http.get(ticket["status_url"], params={"wait": 30})
            first, second = response.json()["requests"]
            assert (first["status"], second["status"]) == ("gone", "completed")
            assert first["outputs"] == []
            for url in (first["sent"], *second["outputs"], ticket["static_url"]):
                assert (await http.get(url)).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("wait=soon", (422, "invalid_value")),
        ("wait=61", (422, "invalid_value")),
        ("wait=nan", (422, "invalid_value")),
        ("more=1", (400, "unknown_field")),
        ("wait=1&wait=2", (400, "duplicate_field")),
    ],
)
async def test_a_query_that_cannot_be_is_refused(
    http: httpx.AsyncClient, query: str, expected: tuple[int, str]
) -> None:
    ticket = await send(http, file())
    assert code_of(await http.get(f"{ticket['status_url']}?{query}")) == expected


@pytest.mark.parametrize("batch_id", ["no-such-batch", "%00", "x" * 5000, "*", "a%0d%0ab", "a%2fb"])
async def test_an_unknown_batch_is_not_found(http: httpx.AsyncClient, batch_id: str) -> None:
    response = await http.get(f"/batch/{batch_id}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


# The document


def batch_of(*job_ids: str) -> Batch:
    files = tuple(SentFile(job_id, "koala.png", "d" * 64, "image/png") for job_id in job_ids)
    return Batch(id="b", created_at=0.0, files=files)


def test_a_job_that_is_no_longer_kept_is_told_as_gone() -> None:
    jobs = {"kept": completed(make_job("kept"), result=None)}
    document = batch_document(contents_of(batch_of("lost", "kept"), jobs))
    assert [entry["status"] for entry in document["requests"]] == ["gone", "completed"]
    assert (document["counts"]["gone"], document["is_done"]) == (1, True)
    assert document["requests"][0]["sent"] == "/static/b/sent/koala.png"
    assert re.fullmatch(r"1970-01-01T00:00:00\.0+", document["created_at"])
    validate({"$ref": "#/components/schemas/Batch"}, document)


def test_names_stay_when_earlier_jobs_are_gone() -> None:
    batch = batch_of("first", "second")
    job = replace(completed(make_job("second"), result=None), outputs=())
    whole = batch_document(contents_of(batch, {"first": make_job("first"), "second": job}))
    later = batch_document(contents_of(batch, {"second": job}))
    assert (
        later["requests"][1]["sent"]
        == whole["requests"][1]["sent"]
        == ("/static/b/sent/koala-2.png")
    )
