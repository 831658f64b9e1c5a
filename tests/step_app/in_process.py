"""A replica's HTTP face in this process, without a port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from step_app.answers import PROBLEM_MEDIA_TYPE
from step_app.app import create_app
from step_app.contract.frames import (
    BATCH_MEDIA_TYPE,
    BatchItem,
    ItemReply,
    decode_reply,
    encode_batch,
)
from step_app.replica import Replica


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a form whose parts have these dispositions and contents."""
    pieces = [
        b"--x\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + content
        for disposition, content in parts
    ]
    return b"\r\n".join([*pieces, b"--x--\r\n"])


def fail() -> None:
    raise AssertionError("the replica gave up")


@asynccontextmanager
async def serving(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(replica, on_failure=fail)
    async with app.router.lifespan_context(app), talking_to(app) as client, asyncio.timeout(60):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        yield client


def talking_to(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://replica")


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an answer that must be a problem."""
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    document = answer.json()
    assert document.keys() == {"type", "title", "status", "code", "detail"}
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return answer.status_code, document["code"]


async def send_batch(client: httpx.AsyncClient, *items: BatchItem) -> list[ItemReply]:
    """Send several images in one request and return the reply for each."""
    answer = await client.post("/process_batch", content=b"".join(encode_batch(items)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == BATCH_MEDIA_TYPE
    reply = decode_reply(answer.content, expected_ids=[item.id for item in items])
    assert reply.revision == (await client.get("/readyz")).json()["revision"]
    return list(reply.items)
