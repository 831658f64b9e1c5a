from collections.abc import Iterable, Iterator
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from starlette.routing import BaseRoute, Mount, Route

from dispatcher.api.jobs import DEFAULT_TIMEOUT_S, MAX_WAIT_S
from dispatcher.app import create_app
from dispatcher.intake.multipart import FIELD_NAMES
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import DOCUMENT

OWN_PAGES = {"/docs", "/docs/oauth2-redirect", "/openapi.json"}
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if "$ref" in value else set()
        return found.union(*(references(child) for child in value.values()))
    if isinstance(value, list):
        return set().union(*(references(child) for child in value))
    return set()


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """All calls, those of included routers, too; the files of the documentation page are none."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif not isinstance(route, Mount):
            yield from routes_of(cast(Any, route).original_router.routes)


def schema_of_form(path: str) -> dict[str, Any]:
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]
    return cast(dict[str, Any], content["multipart/form-data"]["schema"])


def test_every_call_is_documented_and_nothing_else(services: Services) -> None:
    calls = {
        (route.path, method.lower())
        for route in routes_of(cast(FastAPI, create_app(services).app).routes)
        if route.path not in OWN_PAGES
        for method in (route.methods or set()) - {"HEAD"}
    }
    documented = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert documented == calls


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    names = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert {"Problem", "Ticket", "Result"} <= names <= schemas.keys()


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_a_schema(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    assert set(schema.get("required", [])) <= schema.get("properties", {}).keys()


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda part: str(part)[:40]
)
def test_every_operation_tells_what_it_is(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["operationId"]
    for status, response in operation["responses"].items():
        assert response["description"]
        if status in ("400", "404", "410", "413", "415", "422") or (status, path) == (
            "503",
            "/predict",
        ):
            assert list(response["content"]) == ["application/problem+json"]
    placeholders = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
    assert in_path == placeholders


def test_no_two_operations_share_an_id() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)


def test_the_forms_take_exactly_the_fields_that_are_read() -> None:
    assert schema_of_form("/predict")["properties"].keys() == FIELD_NAMES
    assert schema_of_form("/predict_async")["properties"].keys() == FIELD_NAMES - {"timeout_s"}


@pytest.mark.parametrize("path", ["/predict", "/predict_async"])
def test_every_option_may_stand_in_the_query_as_well(path: str) -> None:
    parameters = DOCUMENT["paths"][path]["post"]["parameters"]
    in_query = {p["name"]: p["schema"] for p in parameters if p["in"] == "query"}
    in_form = dict(schema_of_form(path)["properties"])
    del in_form["image"]
    assert in_query == in_form


def test_the_times_that_are_told_are_those_that_are_kept() -> None:
    timeout = schema_of_form("/predict")["properties"]["timeout_s"]
    assert (timeout["maximum"], timeout["default"]) == (MAX_WAIT_S, DEFAULT_TIMEOUT_S)
    (wait,) = (
        p["schema"]
        for p in DOCUMENT["paths"]["/result/{request_id}"]["get"]["parameters"]
        if p["name"] == "wait"
    )
    assert wait["maximum"] == MAX_WAIT_S


async def test_the_document_is_served(http: httpx.AsyncClient) -> None:
    response = await http.get("/openapi.json")
    assert response.json() == DOCUMENT
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "/openapi.json" in page.text
