"""Images whose senders have gone, or took them back: their work stops and the next one's begins."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any

import httpx
import pytest

from step_app import replica as replica_module
from step_app.contract.cancelling import CANCEL_PATH, decode_cancellation, encode_cancellation
from step_app.contract.frames import BatchItem, ContractError, encode_batch
from step_app.departures import ClientGoneError, ImagesInWork, while_connected
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig
from tests.step_app.conftest import CLASSIFIER_PARAMS
from tests.step_app.in_process import problem, send_batch, serving
from tests.step_app.patient_step import ENDLESS, PatientStep
from tests.step_app.replying import bytes_of

CONFIG = StepConfig("p", "7", "classifier", CLASSIFIER_PARAMS)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> PatientStep:
    made = PatientStep()
    monkeypatch.setattr(replica_module, "load_step", lambda *_: made)
    return made


@pytest.fixture
async def client(step: PatientStep) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(Replica(CONFIG, Settings())) as client:
        yield client


def item(name: str, image: bytes = ENDLESS) -> BatchItem:
    return BatchItem(id=name, filename="a.png", image=image)


async def until_begun(step: PatientStep) -> None:
    assert await asyncio.to_thread(step.begun.acquire, True, 10)


class Caller:
    """An ASGI client that closes its connection when a test says so."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        transport = client._transport
        assert isinstance(transport, httpx.ASGITransport)
        self._app = transport.app
        self.leaves = asyncio.Event()

    async def post(self, path: str, body: bytes, content_type: bytes) -> list[int]:
        """Send a request; return the statuses of the answers that came."""
        statuses: list[int] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> MutableMapping[str, Any]:
            if messages:
                return messages.pop()
            await self.leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"content-type", content_type)],
            "server": ("replica", 80),
            "scheme": "http",
            "root_path": "",
        }
        await self._app(scope, receive, send)
        return statuses


BATCH = b"".join(encode_batch([item("a"), item("b")]))
REQUESTS = [("/process_batch", BATCH), ("/process", ENDLESS)]


@pytest.mark.parametrize(("path", "body"), REQUESTS, ids=["batch", "image"])
async def test_when_the_client_goes_the_work_stops_and_the_next_begins(
    client: httpx.AsyncClient, step: PatientStep, path: str, body: bytes
) -> None:
    caller = Caller(client)
    calling = asyncio.create_task(caller.post(path, body, b"image/png"))
    await until_begun(step)
    caller.leaves.set()
    loop = asyncio.get_running_loop()
    left_at = loop.time()
    await calling
    (reply,) = await send_batch(client, item("next", b"next"))
    assert json.loads(bytes_of(reply))["echo"] == "next"
    assert loop.time() - left_at < 0.2
    assert step.finished == [b"next"]
    assert not step.begun.acquire(blocking=False), "what had not begun did not begin"


async def test_images_that_are_taken_back_stop_and_the_others_are_answered(
    client: httpx.AsyncClient, step: PatientStep
) -> None:
    items = [item("a"), item("b", b"good"), item("c")]
    answering = asyncio.create_task(send_batch(client, *items))
    await until_begun(step)
    answer = await client.post(CANCEL_PATH, content=encode_cancellation(["a", "c", "unknown"]))
    assert (answer.status_code, answer.json()) == (200, {"cancelled": 2})
    replies = await answering
    assert [reply.status for reply in replies] == [499, 200, 499]
    assert json.loads(bytes_of(replies[0]))["code"] == "cancelled"
    assert not step.begun.acquire(blocking=False), "the last one never began"


async def test_what_was_taken_back_is_no_failure_of_the_step(
    client: httpx.AsyncClient, step: PatientStep
) -> None:
    answering = asyncio.create_task(send_batch(client, item("a")))
    await until_begun(step)
    await client.post(CANCEL_PATH, content=encode_cancellation(["a"]))
    await answering
    await send_batch(client, item("next", b"next"))
    assert "step_failures_total{" not in (await client.get("/metrics")).text


async def test_to_take_back_what_has_ended_is_nothing(client: httpx.AsyncClient) -> None:
    await send_batch(client, item("a", b"good"))
    answer = await client.post(CANCEL_PATH, content=encode_cancellation(["a"]))
    assert answer.json() == {"cancelled": 0}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"ids": 1}', b"[" * 100_000])
async def test_a_body_that_names_no_images_is_refused(
    client: httpx.AsyncClient, body: bytes
) -> None:
    assert problem(await client.post(CANCEL_PATH, content=body)) == (400, "invalid_request")
    with pytest.raises(ContractError):
        decode_cancellation(body)


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b#1", "ü"]])
def test_ids_arrive_as_they_were_sent(ids: Sequence[str]) -> None:
    assert decode_cancellation(encode_cancellation(ids)) == ids


# The two that notice


async def never() -> MutableMapping[str, Any]:
    await asyncio.Event().wait()
    return {}


async def test_who_stays_has_the_result_of_the_work() -> None:
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(while_connected(never, work))
    await asyncio.sleep(0)
    work.set_result(7)
    assert await waiting == 7


async def test_who_stays_has_the_error_of_the_work() -> None:
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    work.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await while_connected(never, work)


async def test_the_work_of_one_who_has_gone_is_cancelled() -> None:
    async def leave() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(ClientGoneError):
        await while_connected(leave, work)
    assert work.cancelled()


async def test_images_are_known_for_as_long_as_they_are_in_work() -> None:
    loop = asyncio.get_running_loop()
    in_work, futures = ImagesInWork(), [loop.create_future() for _ in range(3)]
    with in_work.known(["a", "a", "b"], futures):
        assert in_work.cancel(["a"]) == 2
        assert in_work.cancel(["a"]) == 0, "they are cancelled already"
        assert [future.cancelled() for future in futures] == [True, True, False]
    assert in_work.cancel(["b"]) == 0
