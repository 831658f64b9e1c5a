"""Every image that is accepted ends as its row says, in the classifier and in an operation."""

import json
from typing import Any

import httpx
import psutil
import pytest

from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.end_to_end.service import Service
from tests.hostile.accepted_images import ACCEPTED_IMAGES
from tests.hostile.invariants import check_in_time, staying_responsive
from tests.hostile.rows import ImageRow
from tests.hostile.wire import Answer, send

RAW = ((b"Content-Type", b"application/octet-stream"),)
ACTIONS = text("actions", json.dumps({"operations": [["resize", "8x8"]]}))
ROWS = pytest.mark.parametrize("row", ACCEPTED_IMAGES, ids=lambda row: row.name)
_WAIT_S = 20


@ROWS
def test_it_ends_as_its_content_deserves_in_every_step(
    service: Service, client: httpx.Client, dispatcher: psutil.Process, row: ImageRow
) -> None:
    image = row.make()
    url = f"{service.url}/predict_async?cache=false"
    process = f"{service.url}/process"
    files = form(ACTIONS, Part(name="files", filename="a.png", data=image))
    with staying_responsive(service.url, dispatcher, body_bytes=len(image)):
        answers = [
            send(url, image, headers=RAW),
            send(url, image, headers=RAW, is_chunked=True),
        ]
        batch = send(process, files, headers=[(b"Content-Type", CONTENT_TYPE)])
    for answer in (*answers, batch):
        assert answer.status == 202, answer.body
        check_in_time(answer)
    ends = [end_of_job(client, answer) for answer in answers]
    ends.append(end_of_batch(client, batch))
    assert len(set(ends)) == 1, f"not the same each time: {ends}"
    assert ends[0] in row.ends


def end_of_job(client: httpx.Client, ticket: Answer) -> str:
    """Return ``completed`` or the code of the error."""
    job_id = ticket.document()["request_id"]
    answer = client.get(f"/result/{job_id}", params={"wait": _WAIT_S})
    assert answer.status_code == 200, "it has not ended in time"
    return end_of(answer.json())


def end_of_batch(client: httpx.Client, ticket: Answer) -> str:
    """Return how the only file of a batch ended."""
    batch_id = ticket.document()["batch_id"]
    answer = client.get(f"/batch/{batch_id}", params={"wait": _WAIT_S}).json()
    assert answer["is_done"], "it has not ended in time"
    (file,) = answer["requests"]
    return end_of(file)


def end_of(document: dict[str, Any]) -> str:
    if document["status"] == "completed":
        return "completed"
    code: str = document["error"]["code"]
    return code
