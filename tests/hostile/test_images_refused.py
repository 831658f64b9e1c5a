"""Every image that is refused: the same answer however it comes, and nothing of it is kept."""

import json

import httpx
import psutil
import pytest

from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.end_to_end.service import Service
from tests.hostile import pngs
from tests.hostile.invariants import check_in_time, check_problem, kept, staying_responsive
from tests.hostile.refused_images import REFUSED_IMAGES
from tests.hostile.rows import ImageRow
from tests.hostile.wire import Answer, send

RAW = ((b"Content-Type", b"application/octet-stream"),)
ACTIONS = text("actions", json.dumps({"operations": [["resize", "8x8"]]}))
ROWS = pytest.mark.parametrize("row", REFUSED_IMAGES, ids=lambda row: row.name)


@ROWS
def test_it_is_refused_at_once_however_it_comes(
    service: Service, client: httpx.Client, dispatcher: psutil.Process, row: ImageRow
) -> None:
    image = row.make()
    before = kept(client)
    url = f"{service.url}/predict_async"
    in_form = form(Part(filename="a.png", data=image))
    with staying_responsive(service.url, dispatcher, body_bytes=len(image)):
        answers: list[Answer] = [
            send(url, image, headers=RAW),
            send(url, image, headers=RAW),
            send(url, image, headers=RAW, is_chunked=True),
            send(url, in_form, headers=[(b"Content-Type", CONTENT_TYPE)]),
        ]
    for answer in answers:
        check_problem(answer, row.status, row.code)
        check_in_time(answer)
    assert kept(client) == before


@pytest.mark.parametrize(
    "row",
    [row for row in REFUSED_IMAGES if row.code != "payload_too_large"],
    ids=lambda row: row.name,
)
def test_a_batch_is_taken_and_the_file_fails_alone(
    service: Service, client: httpx.Client, row: ImageRow
) -> None:
    good = Part(name="files", filename="good.png", data=pngs.plain())
    bad = Part(name="files", filename="bad.png", data=row.make())
    headers = [(b"Content-Type", CONTENT_TYPE)]
    ticket = send(f"{service.url}/process", form(ACTIONS, good, bad), headers=headers)
    assert ticket.status == 202, ticket.body
    check_in_time(ticket)
    url = f"/batch/{ticket.document()['batch_id']}"
    first, second = client.get(url, params={"wait": 20}).json()["requests"]
    assert first["status"] == "completed"
    assert (second["status"], second["error"]["code"]) == ("failed", row.code)
