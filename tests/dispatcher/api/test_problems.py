import json
import uuid
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from dispatcher.api.problems import PROBLEM_MEDIA_TYPE, request_problem, unexpected_problem
from dispatcher.errors import OverloadedError, RequestError
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import validate

PROBLEM = {"$ref": "#/components/schemas/Problem"}


def read(response: Response) -> dict[str, Any]:
    assert response.media_type == PROBLEM_MEDIA_TYPE == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    document: dict[str, Any] = json.loads(bytes(response.body))
    validate(PROBLEM, document)
    assert document["status"] == response.status_code
    assert document["type"].endswith(document["code"])
    return document


@pytest.mark.parametrize("error", RequestError.__subclasses__(), ids=lambda error: error.code)
def test_every_refusal_is_a_problem_document(error: type[RequestError]) -> None:
    response = request_problem(error("Because."))
    document = read(response)
    assert (document["status"], document["code"]) == (error.status, error.code)
    assert (document["title"], document["detail"]) == (error.title, "Because.")
    assert "retry-after" not in response.headers


def test_every_problem_has_an_id_of_its_own() -> None:
    ids = {read(request_problem(OverloadedError()))["request_id"] for _ in range(3)}
    assert len(ids) == 3
    for one in ids:
        uuid.UUID(one)


def test_who_may_come_back_is_told_when() -> None:
    response = request_problem(OverloadedError(retry_after_s=7))
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize("error", RequestError.__subclasses__(), ids=lambda error: error.code)
def test_a_connection_whose_body_was_not_read_is_closed(error: type[RequestError]) -> None:
    is_closed = request_problem(error()).headers.get("connection") == "close"
    assert is_closed == (error.status in (400, 408, 413, 414, 415, 431))


def test_our_own_fault_tells_nothing_of_what_went_wrong() -> None:
    document = read(unexpected_problem())
    assert (document["status"], document["code"]) == (500, "internal_error")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/result/", 404, "not_found"),
        ("GET", "/result/a/b", 404, "not_found"),
        ("GET", "/../../etc/passwd", 404, "not_found"),
        ("GET", "/predict_async", 405, "method_not_allowed"),
        ("PUT", "/predict", 405, "method_not_allowed"),
        ("POST", "/result/job-1", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_document_too(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await http.request(method, path)
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    validate(PROBLEM, response.json())
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "passwd" not in response.text


@pytest.mark.parametrize("path", ["/predict_async", "/result/job-1", "/status"])
async def test_our_own_fault_is_a_problem_document_wherever_it_happens(
    http: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("secret path /etc/passwd")

    monkeypatch.setattr(services.pipelines, "get", break_down)
    monkeypatch.setattr(services.results, "get", break_down)
    monkeypatch.setattr(services.results, "count", break_down)
    method = "POST" if path == "/predict_async" else "GET"
    headers = {"content-type": "image/png"}
    response = await http.request(method, path, content=b"x", headers=headers)
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
