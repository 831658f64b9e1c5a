"""Every broken form is refused at once by both calls that take forms, and nothing is kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from tests.end_to_end.service import Service
from tests.hostile.field_rows import FIELD_ROWS
from tests.hostile.form_rows import FRAME_ROWS
from tests.hostile.invariants import check_in_time, check_problem, kept, staying_responsive
from tests.hostile.rows import FormRow
from tests.hostile.wire import Answer, send

REFUSED = [row for row in (*FRAME_ROWS, *FIELD_ROWS) if row.answer[1]]
TAKEN = [row for row in FIELD_ROWS if not row.answer[1]]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_a_submission_refuses_it_at_once(
    service: Service, client: httpx.Client, dispatcher: psutil.Process, row: FormRow
) -> None:
    announced, unannounced = row.answer, row.unannounced or row.answer
    with refusing(service, client, dispatcher):
        check(post(service, "/predict_async", row), announced)
        check(post(service, "/predict_async", row, is_chunked=True), unannounced)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_a_batch_refuses_it_at_once(
    service: Service, client: httpx.Client, dispatcher: psutil.Process, row: FormRow
) -> None:
    with refusing(service, client, dispatcher):
        for is_chunked in (False, True):
            answer = post(service, "/process", row, is_chunked=is_chunked)
            check(answer, row.process or row.answer)


@pytest.mark.parametrize("row", TAKEN, ids=lambda row: row.name)
def test_what_is_only_odd_is_taken(service: Service, client: httpx.Client, row: FormRow) -> None:
    for is_chunked in (False, True):
        answer = post(service, "/predict_async", row, is_chunked=is_chunked)
        assert answer.status in (200, 202), answer.body
        job_id = answer.document()["request_id"]
        job = client.get(f"/result/{job_id}", params={"wait": 20})
        assert job.json()["status"] == "completed"


def post(service: Service, path: str, row: FormRow, *, is_chunked: bool = False) -> Answer:
    body = row.body()
    if path == "/process":
        body = [piece.replace(b'name="image"', b'name="files"') for piece in body]
    headers = [(b"Content-Type", row.content_type), *row.headers]
    return send(f"{service.url}{path}", body, headers=headers, is_chunked=is_chunked)


def check(answer: Answer, expected: tuple[int, str]) -> None:
    check_problem(answer, *expected)
    check_in_time(answer)


@contextmanager
def refusing(service: Service, client: httpx.Client, dispatcher: psutil.Process) -> Iterator[None]:
    """Nothing is kept of two requests, little is written about them, and nobody waits."""
    before, lines = kept(client), log_lines(service)
    with staying_responsive(service.url, dispatcher, body_bytes=0):
        yield
    assert kept(client) == before
    assert log_lines(service) - lines <= 2


def log_lines(service: Service) -> int:
    return service.stderr_path.read_bytes().count(b"\n")
