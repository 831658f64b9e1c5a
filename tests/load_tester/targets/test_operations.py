import json
from dataclasses import replace

import pytest

from load_tester.errors import FailedError, RefusedError, WrongError
from load_tester.images import Upload
from load_tester.settings import TargetSettings
from load_tester.targets.base import Answer, Ticket
from load_tester.targets.opening import open_target
from load_tester.targets.operations import encode_operations
from tests.load_tester.grayscale_service import GrayscaleService, serve_grayscale

UPLOAD = Upload(file="drum.jpg", body=b"\xff\xd8 pixels", headers={"Content-Type": "image/jpeg"})
OPERATIONS = '[["grayscale", {"threads": 2}]]'


async def answer_of(service: GrayscaleService, upload: Upload = UPLOAD) -> Answer:
    settings = TargetSettings(urls=(service.url,), operations=OPERATIONS, use_cache=False)
    async with open_target(settings) as target:
        endpoint = target.choose(0)
        ticket = await endpoint.send(upload)
        assert isinstance(ticket, Ticket)
        assert target.uploads == 1
        return await endpoint.await_answer(ticket, upload)


async def test_an_image_is_sent_with_its_operations_and_answered() -> None:
    async with serve_grayscale() as service:
        answer = await answer_of(service)
    assert json.loads(service.fields[0]["actions"]) == {"operations": json.loads(OPERATIONS)}
    assert service.fields[0]["cache"] == "false"
    assert service.fields[0]["files"] == "drum.jpg"
    assert service.bodies == [UPLOAD.body]
    assert answer.queue_time_s == 0.25
    assert answer.document is not None
    assert answer.document["result"]["timings"][0]["threads"] == 2


async def test_a_hostile_file_name_stays_one_field_of_the_form() -> None:
    name = 'a"; name="actions"\r\n\r\nx.jpg'
    async with serve_grayscale() as service:
        await answer_of(service, replace(UPLOAD, file=name))
    assert set(service.fields[0]) == {"actions", "cache", "files"}
    assert json.loads(service.fields[0]["actions"])["operations"] == json.loads(OPERATIONS)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [(503, RefusedError, "http_503"), (422, FailedError, "http_422")],
)
async def test_a_batch_that_is_not_taken_is_told_by_its_status(
    status: int, error: type[Exception], reason: str
) -> None:
    async with serve_grayscale(status=status) as service:
        with pytest.raises(error, match=reason):
            await answer_of(service)


async def test_an_answer_without_a_ticket_is_wrong() -> None:
    async with serve_grayscale(status=200) as service:
        with pytest.raises(WrongError, match="ticket_without_request_id"):
            await answer_of(service)


def test_the_file_comes_last_and_the_image_is_not_changed() -> None:
    form = encode_operations(UPLOAD, operations=OPERATIONS, use_cache=True)
    head, _, rest = form.body.partition(UPLOAD.body)
    assert head.index(b'name="actions"') < head.index(b'name="files"')
    assert b'name="cache"\r\n\r\ntrue\r\n' in head
    assert rest.endswith(b"--\r\n")
    assert form.file == "drum.jpg"


def test_a_service_is_told_the_last_part_of_a_path() -> None:
    upload = replace(UPLOAD, file="birds/drum.jpg")
    form = encode_operations(upload, operations=OPERATIONS, use_cache=True)
    assert b'filename="drum.jpg"' in form.body
    assert form.file == "birds/drum.jpg"
