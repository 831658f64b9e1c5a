"""The calls about pipelines, on the whole application."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.api.contract import DOCUMENT, check
from tests.dispatcher.api.pipelining import Served, create, read, refusal, serving


@pytest.fixture
async def served(tmp_path: Path, client: ReplicaClient) -> AsyncIterator[Served]:
    async with serving(tmp_path, client) as opened:
        yield opened


@pytest.fixture
def http(served: Served) -> httpx.AsyncClient:
    return served.http


# The ways of reference system (a)


async def test_the_example_of_the_reference_system_works_as_it_is(http: httpx.AsyncClient) -> None:
    made = await create(http)
    pipeline_id = made["pipeline_id"]
    assert made["status"] == "success"
    assert pipeline_id.startswith("pipeline-")
    assert [(thing["kind"], thing["name"]) for thing in made["results"]] == [
        ("ConfigMap", f"{pipeline_id}-step-0"),
        ("Process", f"{pipeline_id}-step-0-0"),
        ("ConfigMap", f"{pipeline_id}-step-1"),
        ("Process", f"{pipeline_id}-step-1-0"),
    ]
    assert made["entry"]["step_id"] == "0"
    assert made["entry"]["process_url"] == f"{made['entry']['url']}/process"
    assert made["entry"]["url"] == made["results"][1]["url"]

    deleted = check(await http.delete(f"/pipeline/{pipeline_id}"))
    assert deleted.json() == {
        "status": "success",
        "pipeline_id": pipeline_id,
        "results": made["results"],
    }
    assert refusal(await http.delete(f"/pipeline/{pipeline_id}"))[:2] == (404, "unknown_pipeline")


# Reading


async def test_a_pipeline_is_told_as_wanted_and_as_it_runs(http: httpx.AsyncClient) -> None:
    step = {
        "type": "classifier",
        "params": {"top_k": 3},
        "gpu": 1,
        "volumes": ["cuda"],
        "resources": {"limits": {"memory": "1Gi"}},
    }
    made = await create(http, {"name": "birds", "steps": [step]})

    document = await read(http, "birds", state="ready")
    assert document["pipeline_id"] == made["pipeline_id"]
    assert (document["name"], document["entry"]) == ("birds", made["entry"])
    assert len(document["created_at"]) == len("2025-06-25T11:22:41.523565")
    assert document["steps"] == [
        {
            "step_id": "0",
            "type": "classifier",
            "params": {"top_k": 3},
            "next_step": None,
            "preferred_next": None,
            "replicas": {"desired": 1, "running": 1, "ready": 1, "min": 1, "max": 1},
            "state": "ready",
            "reason": None,
            "endpoints": [made["entry"]["url"]],
            "gpu": 1,
            "volumes": ["cuda"],
            "resources": {"limits": {"memory": "1Gi"}},
        }
    ]
    listed = check(await http.get("/pipeline")).json()["pipelines"]
    assert [pipeline["pipeline_id"] for pipeline in listed] == ["default", made["pipeline_id"]]
    assert listed[1] == document


async def test_a_step_that_cannot_start_says_why(http: httpx.AsyncClient) -> None:
    await create(
        http, {"name": "bad", "steps": [{"type": "classifier", "params": {"model": "refuses"}}]}
    )
    document = await read(http, "bad", state="failed")
    assert document["steps"][0]["reason"] == "unknown model 'refuses'"


ODD_IDS = ["x", "a,b=c", "*", "%00", "..%2Fdefault", "%2e%2e", "x" * 10_000, "ä", "pipeline_id=x"]


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda odd: odd[:12])
async def test_whatever_is_no_pipeline_is_not_found(http: httpx.AsyncClient, odd: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", "/steps/0")):
        response = await http.request(
            method, f"/pipeline/{odd}{path}", json={"replicas": 2} if path else None
        )
        assert response.status_code == 404
        assert response.json()["code"] in ("unknown_pipeline", "not_found")
        assert response.headers["content-type"] == "application/problem+json"
        assert "xxx" not in response.text


# Changing


async def test_a_step_is_changed_and_answered_as_it_is_then(http: httpx.AsyncClient) -> None:
    made = await create(http, {"steps": [{"type": "blur"}, {"type": "sobel"}, {"type": "blur"}]})
    path = f"/pipeline/{made['pipeline_id']}/steps/0"
    step = check(await http.patch(path, json={"replicas": 2, "preferred_next": 2})).json()
    assert step["replicas"]["desired"] == 2
    assert (step["next_step"], step["preferred_next"]) == ("1", "2")
    whole = check(await http.get(f"/pipeline/{made['pipeline_id']}")).json()
    assert whole["steps"][0]["preferred_next"] == "2"


@pytest.mark.parametrize(
    ("step_id", "change", "status", "code"),
    [
        ("0", {"replicas": 0}, 422, "invalid_pipeline"),
        ("0", {"replicas": 1e9}, 422, "invalid_pipeline"),
        ("0", {}, 422, "invalid_pipeline"),
        ("0", {"type": "blur"}, 422, "invalid_pipeline"),
        ("0", {"preferred_next": 0}, 422, "invalid_pipeline"),
        ("0", {"replicas": 9}, 409, "too_many_replicas"),
        ("0", {"max_replicas": 9}, 409, "too_many_replicas"),
        ("0", {"replicas": 1, "min_replicas": 2}, 422, "invalid_pipeline"),
        ("7", {"replicas": 2}, 404, "not_found"),
        ("%00", {"replicas": 2}, 404, "not_found"),
    ],
    ids=str,
)
async def test_a_change_that_cannot_be_is_refused(
    http: httpx.AsyncClient, step_id: str, change: object, status: int, code: str
) -> None:
    made = await create(http)
    path = f"/pipeline/{made['pipeline_id']}/steps/{step_id}"
    assert refusal(await http.patch(path, json=change))[:2] == (status, code)


async def test_a_step_has_a_range_of_replicas_only_when_that_is_asked_for(
    http: httpx.AsyncClient,
) -> None:
    made = await create(http, {"steps": [{"type": "blur", "max_replicas": 3}, {"type": "sobel"}]})
    path = f"/pipeline/{made['pipeline_id']}"

    async def ranges() -> list[tuple[int, int, int]]:
        steps = check(await http.get(path)).json()["steps"]
        found = [step["replicas"] for step in steps]
        return [(each["min"], each["desired"], each["max"]) for each in found]

    assert await ranges() == [(1, 1, 3), (1, 1, 1)]
    check(await http.patch(f"{path}/steps/0", json={"replicas": 2}))
    check(await http.patch(f"{path}/steps/1", json={"replicas": 2}))
    assert await ranges() == [(1, 2, 3), (2, 2, 2)]
    check(await http.patch(f"{path}/steps/0", json={"min_replicas": 1, "max_replicas": 1}))
    check(await http.patch(f"{path}/steps/1", json={"max_replicas": 4}))
    assert await ranges() == [(1, 1, 1), (2, 2, 4)]


# Documentation


def test_the_documentation_names_what_a_step_takes() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["PipelineStep"]["properties"].keys() == {
        "step_id", "type", "params", "next_step", "preferred_next", "replicas", "min_replicas",
        "max_replicas", "steps", "gpu", "volumes", "resources",
    }  # fmt: skip
    post = DOCUMENT["paths"]["/pipeline"]["post"]
    assert post["requestBody"]["content"].keys() == {"application/json"}
    assert post["responses"].keys() >= {"201", "409", "413", "415", "422", "503"}
