"""How a refusal reaches a client that is still sending."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from dispatcher.app import create_app
from dispatcher.intake.upload import Receive
from dispatcher.wiring import Services
from tests.dispatcher.forms import CONTENT_TYPE, Body, form, text

Message = MutableMapping[str, Any]


async def refuse(
    services: Services,
    receive: Receive,
    *,
    path: str = "/predict_async",
    content_type: bytes = b"text/plain",
) -> list[Message]:
    """Send something that is no image by its media type; return what is answered."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", content_type)],
    }
    async with asyncio.timeout(5):
        await create_app(services)(scope, receive, send)
    return sent


def is_whole(sent: list[Message]) -> bool:
    start, *bodies = sent
    length = int(dict(start["headers"])[b"content-length"])
    is_open = [body.get("more_body", False) for body in bodies]
    return (
        start["status"] == 415
        and sum(len(body["body"]) for body in bodies) == length
        and is_open == [True] * (len(bodies) - 1) + [False]
    )


async def test_the_rest_of_a_refused_body_is_thrown_away(services: Services) -> None:
    body = Body(*[b"x" * 100] * 50)
    assert is_whole(await refuse(services, body.receive))
    assert body.received == 50


async def test_no_more_is_thrown_away_than_a_refusal_is_worth(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.api.guards.lingering._LINGER_BYTES", 1000)
    body = Body(*[b"x" * 100] * 50)
    assert is_whole(await refuse(services, body.receive))
    assert body.received == 10


async def test_a_client_that_stops_sending_is_answered_all_the_same(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.api.guards.lingering._LINGER_S", 0.01)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    assert is_whole(await refuse(services, receive))


async def test_a_client_that_goes_away_is_not_waited_for(services: Services) -> None:
    body = Body(b"x", then_disconnect=True)
    assert is_whole(await refuse(services, body.receive))
    assert body.received == 2


async def test_the_files_behind_bad_actions_are_thrown_away_and_the_connection_is_closed(
    services: Services,
) -> None:
    bad = form(text("actions", "{}")).removesuffix(b"--\r\n") + b"\r\n"
    body = Body(bad, *[b"x" * 100] * 50)
    start, *bodies = await refuse(
        services, body.receive, path="/process", content_type=CONTENT_TYPE
    )
    assert start["status"] == 422
    assert dict(start["headers"])[b"connection"] == b"close"
    assert b"actions.operations: must be a list" in bodies[0]["body"]
    assert body.received == 51


async def test_the_connection_stays_when_the_body_was_read_to_its_end(services: Services) -> None:
    body = Body(form(text("actions", "{}")))
    start, *_ = await refuse(services, body.receive, path="/process", content_type=CONTENT_TYPE)
    assert start["status"] == 422
    assert b"connection" not in dict(start["headers"])
