"""webhook_url and Idempotency-Key through the whole application; security.md S20, C66."""

import asyncio

import httpx
import pytest

from dispatcher.errors import GoneError
from dispatcher.jobs import Job
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.api.test_jobs import FORM, RAW, code_of, end_next
from tests.dispatcher.forms import IMAGE, form, text
from tests.dispatcher.images import png

GOOD_URL = "https://hooks.example.com/hook?a=b"
REFUSED_URLS = (
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://[::ffff:127.0.0.1]/",
    "https://localhost/",
    "https://169.254.169.254/latest/meta-data/",
    "https://good.example@bad.example/",
    "file:///etc/passwd",
    "https://hooks.example.com:6379/",
    "x" * 2049,
    "",
)


async def send(
    http: httpx.AsyncClient,
    key: str | None = None,
    *,
    path: str = "/predict_async",
    seed: int = 0,
    options: dict[str, str] | None = None,
) -> httpx.Response:
    headers = RAW if key is None else {**RAW, "Idempotency-Key": key}
    image = png(tail=str(seed).encode())
    return check(await http.post(path, content=image, headers=headers, params=options))


@pytest.mark.parametrize("path", ["/predict_async", "/predict"])
@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_an_address_that_is_never_called_is_refused(
    http: httpx.AsyncClient, services: Services, url: str, path: str
) -> None:
    response = await send(http, path=path, options={"webhook_url": url})
    assert code_of(response) == (422, "invalid_callback_url")
    assert services.results.count() == services.queue.depth() == 0
    assert "127.0.0.1" not in response.text


@pytest.mark.parametrize("is_in_form", [False, True])
async def test_an_address_goes_with_the_job(
    http: httpx.AsyncClient, services: Services, is_in_form: bool
) -> None:
    if is_in_form:
        body = form(IMAGE, text("webhook_url", GOOD_URL))
        response = check(await http.post("/predict_async", content=body, headers=FORM))
    else:
        response = await send(http, options={"webhook_url": GOOD_URL})
    assert response.status_code == 202
    job: Job = await services.results.get(response.json()["request_id"])
    assert job.webhook_url == GOOD_URL
    await end_next(services)
    (delivery,) = await services.results.deliveries()
    assert delivery.job_id == job.id


async def test_a_repeated_request_is_answered_in_the_same_way(
    http: httpx.AsyncClient, services: Services
) -> None:
    first, again = await send(http, "k"), await send(http, "k")
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    await end_next(services)
    ended = await send(http, "k")
    assert (ended.status_code, ended.json()["request_id"]) == (202, first.json()["request_id"])
    assert ended.json()["from_cache"] is False
    hit, hit_again = await send(http, "other"), await send(http, "other")
    assert hit.status_code == hit_again.status_code == 200
    assert hit.json() == hit_again.json()


async def test_a_hundred_at_the_same_time_get_one_id(
    http: httpx.AsyncClient, services: Services
) -> None:
    options = {"cache": "false"}
    responses = await asyncio.gather(*(send(http, "k", options=options) for _ in range(100)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["request_id"] for response in responses}) == 1
    assert services.queue.depth() == services.results.count() == 1


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (1, {}),
        (0, {"cache": "false"}),
        (0, {"params": '{"0": {"top_k": 3}}'}),
        (0, {"webhook_url": GOOD_URL}),
        (0, {"priority": "2"}),
    ],
)
async def test_another_request_under_the_same_key_is_refused(
    http: httpx.AsyncClient, services: Services, seed: int, options: dict[str, str]
) -> None:
    await send(http, "k")
    response = await send(http, "k", seed=seed, options=options)
    assert code_of(response) == (422, "idempotency_key_reused")
    assert services.results.count() == 1


async def test_how_long_a_client_waits_is_no_part_of_what_it_asks(http: httpx.AsyncClient) -> None:
    ticket = await send(http, "k")
    waited = await send(http, "k", path="/predict", options={"timeout_s": "0"})
    assert waited.status_code == 202
    assert waited.json()["request_id"] == ticket.json()["request_id"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["x" * 256], (422, "invalid_value")),
        ([""], (422, "invalid_value")),
        (["a b"], (422, "invalid_value")),
        (["a", "a"], (400, "duplicate_field")),
    ],
)
@pytest.mark.parametrize("path", ["/predict_async", "/predict"])
async def test_a_key_that_cannot_be_is_refused(
    http: httpx.AsyncClient,
    services: Services,
    keys: list[str],
    expected: tuple[int, str],
    path: str,
) -> None:
    headers = [*RAW.items(), *(("Idempotency-Key", key) for key in keys)]
    response = await http.post(path, content=png(), headers=headers)
    assert code_of(response) == expected
    assert services.results.count() == 0


async def test_a_refused_request_leaves_its_key_unused(
    http: httpx.AsyncClient, services: Services
) -> None:
    for seed in range(services.queue.capacity):
        await send(http, seed=100 + seed)
    refused = await send(http, "k")
    assert code_of(refused) == (503, "overloaded")
    await end_next(services)
    assert (await send(http, "k", seed=7)).status_code == 202


async def test_a_repeat_names_the_job_also_when_its_record_is_gone(
    http: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await send(http, "k")
    await end_next(services)

    async def gone(job_id: str, **_: float) -> Job:
        raise GoneError

    monkeypatch.setattr(services.results, "get", gone)
    monkeypatch.setattr(services.results, "wait", gone)
    again = await send(http, "k")
    assert (again.status_code, again.json()) == (202, {**first.json(), "queue_size": 0})
    assert code_of(await send(http, "k", path="/predict")) == (410, "gone")
