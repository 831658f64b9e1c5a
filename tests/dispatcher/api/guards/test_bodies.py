"""What uploads may take up together, and what becomes of bodies that break off."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from dispatcher.api.asgi import let_go_of_body
from dispatcher.api.guards.bodies import FAILURE_KEY, Body, UploadBody, UploadBudget, announces_body
from dispatcher.errors import OverloadedError, RequestTimeoutError
from step_app.contract.limits import MAX_IMAGE_BYTES
from tests.dispatcher.forms import Body as Sent

Scope = MutableMapping[str, Any]


def scope_with(**headers: str) -> Scope:
    pairs = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    return {"type": "http", "headers": pairs}


def upload(budget: UploadBudget, *chunks: bytes, length: int | None = None) -> UploadBody:
    scope = scope_with() if length is None else scope_with(content_length=str(length))
    return UploadBody(scope, Sent(*chunks).receive, budget)


async def test_an_announced_length_is_taken_before_the_first_byte() -> None:
    budget = UploadBudget(1000)
    body = upload(budget, b"x" * 10, b"x" * 590, length=600)
    assert budget.taken_bytes == 0
    await body.receive()
    assert budget.taken_bytes == 600
    await body.receive()
    assert (budget.taken_bytes, body.is_complete) == (600, True)
    body.release()
    assert budget.taken_bytes == 0


async def test_a_body_that_has_no_room_is_refused_before_its_first_byte() -> None:
    budget = UploadBudget(1000)
    await upload(budget, b"x" * 600, length=600).receive()
    sent = Sent(b"x" * 600)
    refused = UploadBody(scope_with(content_length="600"), sent.receive, budget)
    with pytest.raises(OverloadedError) as caught:
        await refused.receive()
    assert caught.value.retry_after_s == 1
    assert sent.received == 0
    refused.release()
    assert budget.taken_bytes == 600


async def test_a_body_of_unknown_length_takes_what_has_arrived() -> None:
    budget = UploadBudget(1000)
    body = upload(budget, b"x" * 400, b"x" * 400, b"x" * 400)
    await body.receive()
    assert budget.taken_bytes == 400
    await body.receive()
    other = upload(budget, b"x" * 300)
    with pytest.raises(OverloadedError):
        await other.receive()


async def test_no_body_takes_more_than_one_image() -> None:
    budget = UploadBudget(10 * MAX_IMAGE_BYTES)
    await upload(budget, b"x", length=2**31).receive()
    assert budget.taken_bytes < 1.1 * MAX_IMAGE_BYTES


async def test_one_body_is_taken_however_small_the_budget_is() -> None:
    budget = UploadBudget(10)
    await upload(budget, b"x" * 600, length=600).receive()
    with pytest.raises(OverloadedError):
        await upload(budget, b"x" * 600, length=600).receive()


async def test_whoever_has_used_its_body_gives_the_room_back_early() -> None:
    budget = UploadBudget(1000)
    scope = scope_with(content_length="600")
    body = UploadBody(scope, Sent(b"x" * 600).receive, budget)
    await body.receive()
    let_go_of_body(scope)
    assert budget.taken_bytes == 0
    body.release()
    assert budget.taken_bytes == 0


async def test_a_failure_of_the_connection_is_told_once() -> None:
    scope = scope_with()
    body = Body(scope, Sent(b"x", b"y", b"z", then_disconnect=True).receive)
    await body.receive()
    scope[FAILURE_KEY] = RequestTimeoutError()
    with pytest.raises(RequestTimeoutError):
        await body.receive()
    assert (await body.receive())["body"] == b"z"
    assert not body.is_complete


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"content_length": "0"}, False),
        ({"content_length": "5"}, True),
        ({"transfer_encoding": "chunked"}, True),
    ],
)
def test_a_head_tells_whether_there_is_a_body(headers: dict[str, str], expected: bool) -> None:
    assert announces_body(scope_with(**headers)) is expected
