"""The calls about pipelines, on the whole application and with processes that are real but tiny."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatcher.app import create_app
from dispatcher.pools.client import ReplicaClient
from dispatcher.settings import load_settings
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.discovery import follow_records
from dispatcher.topology.model_files import ModelFiles
from dispatcher.wiring import Services, build_services
from tests.dispatcher.api.contract import DOCUMENT, check
from tests.dispatcher.topology.workshop import WITHIN_S, Workshop
from tests.dispatcher.waiting import until

EXAMPLE = {
    "steps": [
        {"step_id": 0, "type": "upscaling", "params": {"scale": 2}, "next_step": 1},
        {"step_id": 1, "type": "classifier", "params": {}, "next_step": 2},
    ]
}
"""As reference system (a) documents it."""


@pytest.fixture
async def workshop(tmp_path: Path, client: ReplicaClient) -> AsyncIterator[Workshop]:
    opened = Workshop(tmp_path / "data" / "topology", client)
    yield opened
    await opened.close()


@pytest.fixture
async def services(workshop: Workshop, tmp_path: Path) -> AsyncIterator[Services]:
    """All services over tiny replicas, with discovery."""
    settings = load_settings(["--data-dir", str(tmp_path / "data"), "--max-local-replicas", "8"])
    built = build_services(settings)
    launcher = workshop.launcher()
    admin = PipelineAdmin(
        launcher,
        store=built.pipelines,
        model_files=ModelFiles(tmp_path / "user-models"),
        max_replicas=settings.max_local_replicas,
        drain_timeout_s=5.0,
        is_draining=lambda: built.lifecycle.is_draining,
        is_idle=lambda _: True,
    )
    built = replace(built, launcher=launcher, admin=admin)
    await launcher.start()
    following = asyncio.create_task(
        follow_records(built.discovery, pipelines=built.pipelines, pools=built.pools)
    )
    await until(built.pipelines.all)
    built.lifecycle.is_started = True
    yield built
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await built.pools.close()


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened


async def create(http: httpx.AsyncClient, document: object = EXAMPLE) -> dict[str, Any]:
    response = check(await http.post("/pipeline", json=document))
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def read(http: httpx.AsyncClient, name: str, *, state: str) -> dict[str, Any]:
    """A pipeline as soon as it is so."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            document: dict[str, Any] = check(await http.get(f"/pipeline/{name}")).json()
            if document["state"] == state:
                return document
            await asyncio.sleep(0.01)


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    problem = check(response).json()
    return response.status_code, problem["code"], problem["detail"]


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
            "replicas": {"desired": 1, "running": 1, "ready": 1},
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


# Refusing


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ({"steps": [{"type": "blur"}, {"type": "teleport"}]}, "step 1: type: cannot be"),
        ({"steps": [{"type": "classifier"}, {"type": "blur"}]}, "step 0: a classifier gives"),
        ({"steps": [{"type": "blur", "next_step": 0}]}, "step 0: next_step: 0 was passed before"),
        ({"steps": [{"type": "blur", "next_step": 5}]}, "step 0: next_step: there is no such step"),
        ({"steps": [{"type": "blur"}] * 10_000}, "step 32: a pipeline has at most 32"),
        ({"steps": [{"type": "operations"}]}, "step 0: type: cannot be 'operations'"),
        ({"steps": [{"type": "blur", "replicas": 1e9}]}, "step 0: replicas"),
        ({"steps": [{"type": "blur", "replicas": -1}]}, "step 0: replicas"),
        ({"steps": [{"type": "blur", "replicas": 1.5}]}, "step 0: replicas"),
        ({"steps": [{"type": "blur", "image": "evil.io/x:latest"}]}, "unknown key 'image'"),
        ({"steps": [{"type": "blur", "env": {"A": "$(SECRET)"}}]}, "unknown key 'env'"),
        ({"steps": [{"type": "blur", "volumes": [{"hostPath": "/"}]}]}, "step 0: volumes"),
        ({"name": "a,b=c", "steps": [{"type": "blur"}]}, "name: must be"),
        ({"name": "x" * 254, "steps": [{"type": "blur"}]}, "name: must be"),
        ({"name": "kube-system/x", "steps": [{"type": "blur"}]}, "name: must be"),
        (
            {"steps": [{"type": "classifier", "params": {"weights": "/etc/passwd"}}]},
            "step 0: params.weights: names no file in the directory of models.",
        ),
        ([], "pipeline: must be an object"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_pipeline_is_refused_by_its_step_and_nothing_is_made(
    http: httpx.AsyncClient, workshop: Workshop, document: object, detail: str
) -> None:
    files = workshop.files()
    status, code, said = refusal(await http.post("/pipeline", json=document))
    assert (status, code) == (422, "invalid_pipeline")
    assert said.startswith(detail) or detail in said
    for secret in ("SECRET", "evil", "passwd"):
        assert secret not in said
    assert workshop.files() == files


JSON = {"Content-Type": "application/json"}
ALIASES = b"{a: &a [x, x], b: &b [*a, *a], steps: [*b, *b]}"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 422, "invalid_pipeline"),
        (b"{", JSON, 422, "invalid_pipeline"),
        (b"\xff\xfe", JSON, 422, "invalid_pipeline"),
        (b'\xef\xbb\xbf{"steps": []}', JSON, 422, "invalid_pipeline"),
        (b'{"steps": [], "steps": []}', JSON, 422, "invalid_pipeline"),
        (b'{"steps": NaN}', JSON, 422, "invalid_pipeline"),
        (b'{"steps": ' + b"9" * 5_000 + b"}", JSON, 422, "invalid_pipeline"),
        (b'{"steps": ' + b"[" * 50_000, JSON, 422, "invalid_pipeline"),
        (b'{"steps": ' + b"[" * 500 + b"]" * 500 + b"}", JSON, 422, "invalid_pipeline"),
        (ALIASES, JSON, 422, "invalid_pipeline"),
        (b" " * (256 * 1024 + 1), JSON, 413, "payload_too_large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"Content-Type": "application/x-yaml"}, 415, "unsupported_media_type"),
        (b"{}", {}, 415, "unsupported_media_type"),
        (b"{}", {**JSON, "Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
    ],
    ids=lambda value: ascii(value)[:40],
)
async def test_a_body_that_is_no_document_is_refused(
    http: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    for method, path in (("POST", "/pipeline"), ("PATCH", "/pipeline/default/steps/0")):
        response = await http.request(method, path, content=body, headers=headers)
        assert refusal(response)[:2] == (status, code)


async def test_a_body_that_does_not_come_is_not_waited_for(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.api.json_body._TIMEOUT_S", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with asyncio.timeout(5):
        response = await http.post("/pipeline", content=slow(), headers=JSON)
    assert refusal(response)[:2] == (400, "incomplete_body")


async def test_there_is_a_most_of_replicas(http: httpx.AsyncClient) -> None:
    status, code, detail = refusal(
        await http.post("/pipeline", json={"steps": [{"type": "blur", "replicas": 9}]})
    )
    assert (status, code) == (409, "too_many_replicas")
    assert "the limit is 8" in detail


async def test_what_is_built_in_stays(http: httpx.AsyncClient) -> None:
    assert refusal(await http.delete("/pipeline/default"))[:2] == (409, "pipeline_protected")


async def test_while_the_service_ends_nothing_is_made(
    http: httpx.AsyncClient, services: Services
) -> None:
    services.lifecycle.is_draining = True
    response = await http.post("/pipeline", json=EXAMPLE)
    assert refusal(response)[:2] == (503, "draining")
    assert response.headers["retry-after"]


# Fuzz


def damaged(dice: random.Random) -> bytes:
    """The example with a few wrong characters."""
    text = list(json.dumps(EXAMPLE))
    for _ in range(dice.randint(1, 4)):
        where = dice.randrange(len(text))
        text[where] = dice.choice(['"', "{", "}", "[", "-", "1e9", "\\u0000", "\\ud800", "é", ""])
    return "".join(text).encode()


async def test_every_answer_to_odd_documents_is_one_that_is_documented(
    http: httpx.AsyncClient,
) -> None:
    dice = random.Random(1)
    for _ in range(300):
        response = check(await http.post("/pipeline", content=damaged(dice), headers=JSON))
        assert response.status_code in (201, 422)
        if response.status_code == 201:
            await http.delete(f"/pipeline/{response.json()['pipeline_id']}")


def test_the_documentation_names_what_a_step_takes() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["PipelineStep"]["properties"].keys() == {
        "step_id", "type", "params", "next_step", "preferred_next", "replicas", "steps", "gpu",
        "volumes", "resources",
    }  # fmt: skip
    post = DOCUMENT["paths"]["/pipeline"]["post"]
    assert post["requestBody"]["content"].keys() == {"application/json"}
    assert post["responses"].keys() >= {"201", "409", "413", "415", "422", "503"}
