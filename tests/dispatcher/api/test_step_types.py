from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from dispatcher.pipelines.flattening import flatten
from step_app.contract.step_types import STEP_TYPES
from tests.dispatcher.api.contract import check


@pytest.fixture
async def step_types(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    listed = check(await http.get("/step-types")).json()["step_types"]
    return {document["type"]: document for document in listed}


async def test_every_type_that_a_pipeline_can_have_is_told(
    step_types: dict[str, dict[str, Any]],
) -> None:
    assert step_types.keys() == STEP_TYPES.keys() - {"operations"}
    assert {document["input"] for document in step_types.values()} == {"image"}
    assert step_types["classifier"]["output"] == "json"
    assert step_types["split"]["output"] == "images"
    assert step_types["resize"]["shorthand"] == "size"
    assert step_types["sobel"]["has_tiles"]
    assert not step_types["classifier"]["is_operation"]
    assert step_types["classifier"]["fixed"] == ["model", "precision", "runtime", "weights"]


async def test_params_are_json_schema_with_defaults_that_fit(
    step_types: dict[str, dict[str, Any]],
) -> None:
    for document in step_types.values():
        for schema in (document["params"], document["request_params"]):
            Draft202012Validator.check_schema(schema)
        defaults = {
            name: schema["default"]
            for name, schema in document["params"]["properties"].items()
            if "default" in schema
        }
        needed = {"size": "50%"} if document["type"] == "resize" else {}
        assert document["params"]["required"] == list(needed)
        params = {**defaults, **needed}
        Draft202012Validator(document["params"]).validate(params)
        spec = flatten({"steps": [{"type": document["type"], "params": params}]})
        assert spec.steps[0].params == params
