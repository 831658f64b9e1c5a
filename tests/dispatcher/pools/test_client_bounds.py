"""How much of an answer is read, and what another status than 200 means."""

import pytest
from aiohttp.web import Response, StreamResponse

from dispatcher.pools.client import ReplicaClient, _reply_limit
from dispatcher.pools.errors import (
    AttemptError,
    InvalidResponseError,
    ReplicaFailedError,
    ReplicaRejectedError,
)
from step_app.contract.frames import BatchItem, BatchReply, encode_reply
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.scripted_replica import Script, item_reply, serve

MIB = 2**20
ITEM = BatchItem(id="job-1", filename="koala.png", image=b"koala", params={"top_k": 3})
GOOD = encode_reply(BatchReply(revision="r1", items=[item_reply(ITEM)]))


async def failure(client: ReplicaClient, script: Script) -> type[AttemptError]:
    async with serve(script) as replica:
        with pytest.raises(AttemptError) as failed:
            await client.send(replica.url, [ITEM], timeout_s=5)
    return failed.type


# How much of an answer is read


@pytest.mark.parametrize(
    ("sent_bytes", "weight_bytes", "limit_bytes"),
    [(0, 0, 16 * MIB), (MIB, 0, 18 * MIB), (MIB, 3 * MIB, 24 * MIB), (0, 2**40, 256 * MIB)],
)
def test_an_answer_may_be_as_long_as_the_request_can_account_for(
    sent_bytes: int, weight_bytes: int, limit_bytes: int
) -> None:
    items = [BatchItem(id="a", filename="a", image=bytes(sent_bytes))]
    assert _reply_limit(items, weight_bytes) == limit_bytes


async def test_an_answer_that_announces_too_much_is_not_read_at_all(client: ReplicaClient) -> None:
    async def announce(request: scripted.Request) -> StreamResponse:
        response = StreamResponse(headers={"Content-Length": str(2**31)})
        await response.prepare(request.http)
        await request.replica.released.wait()
        return response

    assert await failure(client, announce) is InvalidResponseError


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_a_compressed_answer_is_refused_unread(client: ReplicaClient, encoding: str) -> None:
    async def compress(_: scripted.Request) -> StreamResponse:
        return Response(body=GOOD, headers={"Content-Encoding": encoding})

    assert await failure(client, compress) is InvalidResponseError


async def test_no_replica_is_asked_to_compress(client: ReplicaClient) -> None:
    async with serve() as replica:
        await client.send(replica.url, [ITEM], timeout_s=5)
    assert replica.requests[0].http.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ReplicaRejectedError),
        (404, ReplicaRejectedError),
        (408, ReplicaFailedError),
        (422, ReplicaRejectedError),
        (425, ReplicaFailedError),
        (429, ReplicaFailedError),
        (302, ReplicaFailedError),
        (500, ReplicaFailedError),
        (503, ReplicaFailedError),
    ],
)
async def test_what_another_status_means(
    client: ReplicaClient, status: int, error: type[AttemptError]
) -> None:
    async def answer(_: scripted.Request) -> StreamResponse:
        return Response(status=status, headers={"Location": "http://127.0.0.1:1/"})

    assert await failure(client, answer) is error


@pytest.mark.parametrize(
    ("asked", "retry_after_s"),
    [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("²", None), ("1.5", None)],
)
async def test_a_replica_may_ask_to_be_left_alone_for_whole_seconds(
    client: ReplicaClient, asked: str, retry_after_s: float | None
) -> None:
    async def answer(_: scripted.Request) -> StreamResponse:
        return Response(status=503, headers={"Retry-After": asked})

    async with serve(answer) as replica:
        with pytest.raises(ReplicaFailedError) as failed:
            await client.send(replica.url, [ITEM], timeout_s=5)
    assert failed.value.retry_after_s == retry_after_s
