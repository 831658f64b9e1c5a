"""Documents and bodies that make no pipeline."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dispatcher.pools.client import ReplicaClient
from tests.dispatcher.api.contract import check
from tests.dispatcher.api.pipelining import EXAMPLE, Served, refusal, serving


@pytest.fixture
async def served(tmp_path: Path, client: ReplicaClient) -> AsyncIterator[Served]:
    async with serving(tmp_path, client) as opened:
        yield opened


@pytest.fixture
def http(served: Served) -> httpx.AsyncClient:
    return served.http


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
    served: Served, document: object, detail: str
) -> None:
    files = served.workshop.files()
    status, code, said = refusal(await served.http.post("/pipeline", json=document))
    assert (status, code) == (422, "invalid_pipeline")
    assert said.startswith(detail) or detail in said
    for secret in ("SECRET", "evil", "passwd"):
        assert secret not in said
    assert served.workshop.files() == files


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


async def test_of_a_body_without_an_end_only_so_much_is_read(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65_536

    async with asyncio.timeout(10):
        response = await http.post("/pipeline", content=endless(), headers=JSON)
    assert refusal(response)[:2] == (413, "payload_too_large")
    assert sent < 100


async def test_there_is_a_most_of_replicas(http: httpx.AsyncClient) -> None:
    status, code, detail = refusal(
        await http.post("/pipeline", json={"steps": [{"type": "blur", "replicas": 9}]})
    )
    assert (status, code) == (409, "too_many_replicas")
    assert "the limit is 8" in detail


async def test_what_is_built_in_stays(http: httpx.AsyncClient) -> None:
    assert refusal(await http.delete("/pipeline/default"))[:2] == (409, "pipeline_protected")


async def test_while_the_service_ends_nothing_is_made(served: Served) -> None:
    served.services.lifecycle.is_draining = True
    response = await served.http.post("/pipeline", json=EXAMPLE)
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
