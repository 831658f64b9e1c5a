from collections.abc import MutableMapping
from typing import Any

from dispatcher.api.asgi import Receive, Scope, Send
from dispatcher.api.guards.farewell import Farewell

Headers = list[tuple[bytes, bytes]]


class Service:
    """Answers with some headers; drains when told to."""

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.is_draining = False
        self.drains_meanwhile = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_draining |= self.drains_meanwhile
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"x"})


async def answer_of(service: Service) -> list[MutableMapping[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nobody asks")

    farewell = Farewell(service, is_draining=lambda: service.is_draining)
    await farewell({"type": "http"}, receive, send)
    return sent


LENGTH = (b"content-length", b"1")
CLOSE = (b"connection", b"close")


async def test_an_answer_is_left_alone_while_the_service_goes_on() -> None:
    start, body = await answer_of(Service([LENGTH]))
    assert start["headers"] == [LENGTH]
    assert body["body"] == b"x"


async def test_an_answer_ends_its_connection_while_the_service_drains() -> None:
    service = Service([LENGTH])
    service.is_draining = True
    start, body = await answer_of(service)
    assert start["headers"] == [LENGTH, CLOSE]
    assert body == {"type": "http.response.body", "body": b"x"}


async def test_so_does_one_to_a_request_that_came_before() -> None:
    service = Service([LENGTH])
    service.drains_meanwhile = True
    start, _ = await answer_of(service)
    assert start["headers"] == [LENGTH, CLOSE]


async def test_it_is_said_once() -> None:
    service = Service([(b"Connection", b"keep-alive"), LENGTH])
    service.is_draining = True
    start, _ = await answer_of(service)
    assert start["headers"] == [LENGTH, CLOSE]
