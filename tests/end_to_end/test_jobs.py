import asyncio
import json
import re
import time
import uuid
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.end_to_end.service import Service, distinct, photo

ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"


def submit(client: httpx.Client, data: bytes, **fields: str) -> httpx.Response:
    return client.post("/predict_async", files={"image": ("koala.jpg", data)}, data=fields)


def fetch(client: httpx.Client, ticket: dict[str, Any]) -> dict[str, Any]:
    response = client.get(ticket["status_url"], params={"wait": 20})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def test_a_form_gets_a_ticket_and_the_ticket_a_label(client: httpx.Client) -> None:
    response = submit(client, distinct(photo(), 1))
    assert response.status_code == 202
    ticket = response.json()
    assert ticket == {
        "request_id": ticket["request_id"],
        "status_url": f"/result/{ticket['request_id']}",
        "message": "Request queued for processing",
        "queue_size": ticket["queue_size"],
        "from_cache": False,
    }
    assert uuid.UUID(ticket["request_id"]).version == 4
    document = fetch(client, ticket)
    assert document["status"] == "completed"
    assert document["filename"] == "koala.jpg"
    result = document["result"]
    assert result["predictions"][0] == "koala"
    assert len(result["predictions"]) == len(result["scores"]) == 5
    assert result["scores"] == sorted(result["scores"], reverse=True)
    assert result["filename"] == "koala.jpg"
    assert result["model"] == "efficientnet_lite0"
    assert result["inference_time"] > 0


def test_the_result_document_has_every_key_of_the_contract(client: httpx.Client) -> None:
    document = fetch(client, submit(client, distinct(photo(), 2)).json())
    assert set(document) == {
        "request_id", "filename", "status", "queued_at", "started_at", "completed_at",
        "processing_time", "queue_time", "replica_used", "from_cache", "coalesced", "attempts",
        "queue_position", "eta_s", "pipeline", "priority", "deadline_s", "requeued_from",
        "steps", "result", "error",
    }  # fmt: skip
    for key in ("queued_at", "started_at", "completed_at"):
        assert re.fullmatch(ISO, document[key])
    moments = [datetime.fromisoformat(document[k]) for k in ("queued_at", "completed_at")]
    elapsed_s = (moments[1] - moments[0]).total_seconds()
    assert document["queue_time"] + document["processing_time"] == pytest.approx(
        elapsed_s, abs=1e-3
    )
    (step,) = document["steps"]
    assert step == {
        "id": "0",
        "type": "classifier",
        "start": step["start"],
        "time": step["time"],
        "replica": document["replica_used"],
    }
    # It ran between the moment at which the job was taken off the queue and its end.
    assert document["queue_time"] <= step["start"] + 1e-3
    assert step["start"] + step["time"] <= elapsed_s + 1e-3


def test_a_raw_body_is_as_good_as_a_form(client: httpx.Client) -> None:
    response = client.post(
        "/predict_async",
        content=distinct(photo("giant_panda.jpg"), 3),
        headers={"Content-Type": "image/jpeg", "X-Filename": "panda%20bear.jpg"},
    )
    document = fetch(client, response.json())
    assert document["filename"] == "panda bear.jpg"
    assert document["result"]["predictions"][0] == "giant panda"


def test_predict_waits_and_answers_with_the_result(client: httpx.Client) -> None:
    response = client.post("/predict", files={"image": ("e.jpg", photo("espresso.jpg"))})
    assert response.status_code == 200
    assert response.json()["result"]["predictions"][0] == "espresso"


def test_predict_that_may_not_wait_answers_with_a_ticket(client: httpx.Client) -> None:
    response = client.post(
        "/predict", files={"image": ("k.jpg", distinct(photo(), 4))}, data={"timeout_s": "0"}
    )
    assert response.status_code == 202
    assert fetch(client, response.json())["status"] == "completed"


def test_the_same_bytes_are_answered_from_the_cache_under_their_own_name(
    client: httpx.Client,
) -> None:
    data = distinct(photo(), 5)
    first = fetch(client, submit(client, data).json())
    again = client.post("/predict_async", files={"image": ("other.jpg", data)})
    assert again.status_code == 200
    assert again.json()["from_cache"] is True
    assert again.json()["message"] == "Result served from cache"
    served = client.get(again.json()["status_url"])
    assert served.status_code == 200
    assert served.json()["from_cache"] is True
    assert served.json()["result"] == {**first["result"], "filename": "other.jpg"}


def test_cache_false_computes_anew(client: httpx.Client) -> None:
    data = distinct(photo(), 6)
    fetch(client, submit(client, data).json())
    again = submit(client, data, cache="false")
    assert again.status_code == 202
    assert fetch(client, again.json())["from_cache"] is False


def test_other_params_are_another_result(client: httpx.Client) -> None:
    data = distinct(photo(), 7)
    five = fetch(client, submit(client, data).json())
    params = json.dumps({"classifier": {"top_k": 2}})
    response = submit(client, data, params=params)
    assert response.status_code == 202
    two = fetch(client, response.json())
    assert two["result"]["predictions"] == five["result"]["predictions"][:2]


def test_a_truncated_photo_fails_alone_and_is_not_cached(client: httpx.Client) -> None:
    data = distinct(photo()[: len(photo()) // 2], 8)
    for _ in range(2):
        response = submit(client, data)
        assert response.status_code == 202
        document = fetch(client, response.json())
        assert document["status"] == "failed"
        assert document["error"]["code"] == "image_truncated"
        assert document["result"] is None


async def test_a_hundred_clients_with_one_new_image_run_the_step_once(service: Service) -> None:
    data = distinct(photo("red_panda.jpg"), 9)
    before = service.status()
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        responses = await asyncio.gather(
            *(client.post("/predict", files={"image": (f"{n}.jpg", data)}) for n in range(100))
        )
    after = service.status()
    documents = [response.json() for response in responses]
    assert {document["result"]["predictions"][0] for document in documents} == {"lesser panda"}
    assert {document["filename"] for document in documents} == {f"{n}.jpg" for n in range(100)}
    assert len({document["request_id"] for document in documents}) == 100
    runs = sum(r["served"] for r in after["replicas"]) - sum(
        r["served"] for r in before["replicas"]
    )
    assert runs == 1
    cache, earlier = after["cache_metrics"], before["cache_metrics"]
    known = sum(cache[key] - earlier[key] for key in ("hits", "coalesced"))
    assert (cache["misses"] - earlier["misses"], known) == (1, 99)


def test_wait_holds_the_answer_and_an_unknown_id_is_told_at_once(client: httpx.Client) -> None:
    started = time.monotonic()
    response = client.get(f"/result/{uuid.uuid4()}", params={"wait": 30})
    assert response.status_code == 404
    assert time.monotonic() - started < 5
