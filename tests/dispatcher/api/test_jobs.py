"""The three calls of a job, through the whole application; every answer fits its document."""

import asyncio
import random
from typing import Any

import httpx
import pytest

from dispatcher.jobs import Job
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.forms import CONTENT_TYPE, IMAGE, form, text
from tests.dispatcher.images import EVERY_KIND, png
from tests.dispatcher.records import completed, failed
from tests.dispatcher.waiting import until

RAW = {"content-type": "image/png"}
FORM = {"content-type": CONTENT_TYPE.decode()}


async def submit(
    http: httpx.AsyncClient, options: dict[str, str] | None = None, *, seed: int = 0
) -> httpx.Response:
    image = png(tail=str(seed).encode())
    return check(await http.post("/predict_async", content=image, headers=RAW, params=options))


async def end_next(services: Services, *, code: str | None = None) -> Job:
    lease = await services.queue.reserve(services.queue.lanes())
    assert lease is not None
    job = await services.results.get(lease.job_id)
    ended = completed(job) if code is None else failed(job, code)
    await services.results.save(ended)
    services.figures.count_ended(ended)
    await services.queue.ack(lease)
    await services.endings.settle(ended)
    return ended


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, check(response).json()["code"]


# POST /predict_async


async def test_an_image_is_answered_with_a_ticket(http: httpx.AsyncClient) -> None:
    response = await submit(http)
    assert response.status_code == 202
    ticket = response.json()
    assert ticket["status_url"] == f"/result/{ticket['request_id']}"
    assert (ticket["queue_size"], ticket["from_cache"]) == (1, False)


async def test_the_same_image_in_a_form_is_answered_from_the_cache(
    http: httpx.AsyncClient, services: Services
) -> None:
    await http.post("/predict_async", content=form(IMAGE), headers=FORM)
    await end_next(services)
    response = check(await http.post("/predict_async", files={"image": ("other.png", IMAGE.data)}))
    assert response.status_code == 200
    assert response.json()["from_cache"] is True
    result = check(await http.get(response.json()["status_url"])).json()
    assert (result["status"], result["filename"]) == ("completed", "other.png")
    assert result["result"]["filename"] == "other.png"


async def test_an_option_stands_in_the_query_or_in_the_form_but_not_in_both(
    http: httpx.AsyncClient, services: Services
) -> None:
    body = form(IMAGE, text("cache", "false"))
    in_form = await http.post("/predict_async", content=body, headers=FORM)
    in_query = await http.post("/predict_async?cache=false", content=form(IMAGE), headers=FORM)
    assert in_form.status_code == in_query.status_code == 202
    assert services.queue.depth() == 2, "neither joined the other"
    both = await http.post("/predict_async?cache=false", content=body, headers=FORM)
    assert code_of(both) == (400, "duplicate_field")


async def test_an_option_of_another_call_is_unknown(http: httpx.AsyncClient) -> None:
    in_query = await http.post("/predict_async?timeout_s=1", content=png(), headers=RAW)
    assert code_of(in_query) == (400, "unknown_field")
    body = form(IMAGE, text("timeout_s", "1"))
    in_form = await http.post("/predict_async", content=body, headers=FORM)
    assert code_of(in_form) == (400, "unknown_field")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cache": "yes"}, (422, "invalid_value")),
        ({"params": "{"}, (422, "invalid_params")),
        ({"pipeline": "other"}, (404, "unknown_pipeline")),
        ({"more": "1"}, (400, "unknown_field")),
    ],
)
async def test_an_option_that_cannot_be_is_refused(
    http: httpx.AsyncClient, services: Services, options: dict[str, str], expected: tuple[int, str]
) -> None:
    assert code_of(await submit(http, options)) == expected
    assert services.results.count() == services.queue.depth() == 0


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (RAW, b"", (422, "empty_file")),
        (RAW, b"text", (415, "unsupported_image_type")),
        (RAW, png(20_001, 1), (422, "image_too_large")),
        (RAW, png(0, 1), (422, "image_corrupt")),
        (RAW | {"content-encoding": "gzip"}, png(), (415, "unsupported_encoding")),
        ({}, png(), (415, "unsupported_media_type")),
        ({"content-type": "multipart/form-data"}, form(IMAGE), (400, "malformed_multipart")),
        (FORM, form(), (422, "missing_field")),
        (FORM, form(IMAGE, IMAGE), (400, "duplicate_field")),
    ],
)
async def test_what_is_no_image_is_refused(
    http: httpx.AsyncClient, headers: dict[str, str], body: bytes, expected: tuple[int, str]
) -> None:
    assert code_of(await http.post("/predict_async", content=body, headers=headers)) == expected


@pytest.mark.parametrize("other", ["multipart/form-data; boundary=other", FORM["content-type"]])
@pytest.mark.parametrize("path", ["/predict_async", "/predict"])
async def test_a_media_type_that_is_told_twice_is_refused(
    http: httpx.AsyncClient, other: str, path: str
) -> None:
    headers = [("content-type", other), *FORM.items()]
    response = await http.post(path, content=form(IMAGE), headers=headers)
    assert code_of(response) == (400, "malformed_multipart")


async def test_a_full_queue_says_when_to_come_back(
    http: httpx.AsyncClient, services: Services
) -> None:
    for seed in range(services.queue.capacity):
        assert (await submit(http, seed=seed)).status_code == 202
    response = await submit(http, seed=99)
    assert code_of(response) == (503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/predict_async", "/predict"])
async def test_every_refused_image_is_counted_by_its_code(
    http: httpx.AsyncClient, path: str
) -> None:
    for headers, body in ((RAW, b""), (RAW, b""), (FORM, form()), ({}, png())):
        await http.post(path, content=body, headers=headers)
    text = check(await http.get("/metrics")).text
    for code, count in (("empty_file", 2), ("missing_field", 1), ("unsupported_media_type", 1)):
        assert f'dispatcher_jobs_total{{outcome="refused_{code}"}} {count}.0' in text
    assert check(await http.get("/status")).json()["total_requests"] == 0


async def test_a_draining_service_says_so(http: httpx.AsyncClient, services: Services) -> None:
    services.lifecycle.is_draining = True
    response = await submit(http)
    assert code_of(response) == (503, "draining")
    assert response.headers["retry-after"]


# GET /result/<id>


async def test_a_result_is_there_when_the_job_has_ended(
    http: httpx.AsyncClient, services: Services
) -> None:
    url = (await submit(http)).json()["status_url"]
    waiting = check(await http.get(url))
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert (waiting.json()["status"], waiting.json()["queue_position"]) == ("queued", 0)
    await end_next(services)
    ended = check(await http.get(url))
    assert ended.status_code == 200
    assert ended.json()["result"]["predictions"] == ["koala"]
    assert check(await http.get(url)).json() == ended.json()


async def test_a_failed_job_has_ended_too(http: httpx.AsyncClient, services: Services) -> None:
    url = (await submit(http)).json()["status_url"]
    await end_next(services, code="image_corrupt")
    response = check(await http.get(url))
    assert (response.status_code, response.json()["error"]["code"]) == (200, "image_corrupt")


async def test_an_answer_can_be_held_back_until_the_job_has_ended(
    http: httpx.AsyncClient, services: Services
) -> None:
    url = (await submit(http)).json()["status_url"]
    asking = asyncio.create_task(http.get(url, params={"wait": "30"}))
    await asyncio.wait([asking], timeout=0.05)
    assert not asking.done()
    await end_next(services)
    async with asyncio.timeout(5):
        assert check(await asking).status_code == 200


async def test_an_answer_is_held_back_no_longer_than_was_asked(http: httpx.AsyncClient) -> None:
    url = (await submit(http)).json()["status_url"]
    for wait in ("0", "0.01"):
        async with asyncio.timeout(5):
            assert check(await http.get(url, params={"wait": wait})).status_code == 202


@pytest.mark.parametrize("wait", ["61", "-1", "nan", "", "soon"])
async def test_a_wait_that_cannot_be_is_refused(http: httpx.AsyncClient, wait: str) -> None:
    url = (await submit(http)).json()["status_url"]
    assert code_of(await http.get(url, params={"wait": wait})) == (422, "invalid_value")


@pytest.mark.parametrize("job_id", ["never-seen", "%00", "%2e%2e", "x" * 1000, "🐨"])
async def test_an_unknown_job_is_not_found(http: httpx.AsyncClient, job_id: str) -> None:
    assert code_of(await http.get(f"/result/{job_id}")) == (404, "not_found")


async def test_a_field_that_a_result_does_not_take_is_unknown(http: httpx.AsyncClient) -> None:
    assert code_of(await http.get("/result/x", params={"more": "1"})) == (400, "unknown_field")
    twice = await http.get("/result/x?wait=1&wait=1")
    assert code_of(twice) == (400, "duplicate_field")


# POST /predict


async def test_who_waits_for_a_prediction_has_it_with_the_answer(
    http: httpx.AsyncClient, services: Services
) -> None:
    asking = asyncio.create_task(http.post("/predict", content=png(), headers=RAW))
    await until(services.queue.depth)
    await end_next(services)
    async with asyncio.timeout(5):
        response = check(await asking)
    assert response.status_code == 200
    assert response.json()["result"]["predictions"] == ["koala"]
    again = check(await http.post("/predict", content=png(), headers=RAW))
    assert again.json()["from_cache"] is True


@pytest.mark.parametrize("in_query", [True, False])
async def test_who_waits_too_long_has_a_ticket(http: httpx.AsyncClient, in_query: bool) -> None:
    body = form(IMAGE) if in_query else form(IMAGE, text("timeout_s", "0.01"))
    query = {"timeout_s": "0.01"} if in_query else None
    async with asyncio.timeout(5):
        response = check(await http.post("/predict", content=body, headers=FORM, params=query))
    assert response.status_code == 202
    assert response.headers["retry-after"]
    assert check(await http.get(response.json()["status_url"])).status_code == 202


@pytest.mark.parametrize("timeout_s", ["61", "-1", "nan", "", "soon"])
async def test_a_timeout_that_cannot_be_is_refused_before_anything_is_kept(
    http: httpx.AsyncClient, services: Services, timeout_s: str
) -> None:
    response = await http.post(
        "/predict", content=png(), headers=RAW, params={"timeout_s": timeout_s}
    )
    assert code_of(response) == (422, "invalid_value")
    assert services.results.count() == 0


# Fuzz


@pytest.mark.parametrize("seed", range(2))
async def test_every_answer_to_odd_requests_is_one_that_is_documented(
    http: httpx.AsyncClient, services: Services, seed: int
) -> None:
    dice = random.Random(seed)
    options: dict[str, list[str]] = {
        "pipeline": ["default", "other", "", "\x00", "x" * 500],
        "params": ["{}", "{", '{"0": {"top_k": 3}}', "[" * 5000, '{"0": {"top_k": 1e999}}'],
        "cache": ["true", "false", "", "maybe"],
        "timeout_s": ["0", "0.001", "nan", "-1", "x"],
        "more": ["1"],
    }
    for _ in range(300):
        names = dice.sample(sorted(options), dice.randrange(4))
        image = bytearray(dice.choice(list(EVERY_KIND.values())))
        image[dice.randrange(len(image))] = dice.getrandbits(8)
        params: dict[str, Any] = {}
        parts = [form_image(bytes(image))]
        for name in names:
            value = dice.choice(options[name])
            if dice.random() < 0.5:
                params[name] = value
            else:
                parts.append(text(name, value))
        path = dice.choice(["/predict", "/predict_async"])
        if path == "/predict":
            params.setdefault("timeout_s", "0")
        response = await http.post(path, content=form(*parts), headers=FORM, params=params)
        assert check(response).status_code < 500 or response.json()["code"] == "overloaded"
        while services.queue.depth():
            await end_next(services)


def form_image(data: bytes) -> Any:
    return type(IMAGE)(filename="koala.png", data=data)
