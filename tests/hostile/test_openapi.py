"""Whatever the OpenAPI document allows or forbids, every answer is one that it tells of."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from tests.end_to_end.service import Service

SHORT, LONG = 20, 400
"""Examples for each call and each kind of data."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
WAITS = {"wait", "timeout_s"}


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    """The document as it is served, but for waits, which are kept short."""
    text = client.get("/openapi.json").text
    found: dict[str, Any] = json.loads(text)
    for operations in found["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in WAITS:
                    parameter["schema"]["maximum"] = 0.05
    return found


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_documented(
    service: Service, document: dict[str, Any], mode: GenerationMode, seed: int, is_long: bool
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=service.url)
    troubles = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        check = checking(
            operation.as_strategy(generation_mode=mode), seed, LONG if is_long else SHORT
        )
        try:
            check()
        except Unsatisfiable:
            # Nothing can be wrong about a call without parameters.
            assert mode is GenerationMode.NEGATIVE, operation.label
        except Exception as exc:
            troubles.append(f"{operation.label}: {exc}")
    assert not troubles, "\n\n".join(troubles)


def checking(strategy: Any, seed: int, examples: int) -> Callable[[], None]:
    @with_seed(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, timeout=20)

    run: Callable[[], None] = check
    return run
