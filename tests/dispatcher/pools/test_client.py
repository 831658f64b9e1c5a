"""The wire contract as spoken with a real server that keeps it, and with ones that do not."""

import asyncio
import json
import random

import pytest
from aiohttp.web import StreamResponse

from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    InvalidResponseError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
)
from step_app.contract.frames import BatchItem, BatchReply, encode_reply
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.scripted_replica import Script, item_reply, raw_frame, say, serve
from tests.dispatcher.waiting import now_s

ITEM = BatchItem(id="job-1", filename="koala.png", image=b"koala", params={"top_k": 3})


async def failure(
    client: ReplicaClient, script: Script, *, timeout_s: float = 5.0
) -> type[AttemptError]:
    async with serve(script) as replica:
        with pytest.raises(AttemptError) as failed:
            await client.send(replica.url, [ITEM], timeout_s=timeout_s)
    return failed.type


async def test_a_batch_arrives_as_it_was_sent_and_is_answered_in_order(
    client: ReplicaClient,
) -> None:
    items = [
        BatchItem(id=f"job-{n}", filename=f"größe {n}\r\n.png", image=bytes([n]) * n, params={})
        for n in range(5)
    ]
    async with serve(revision="r7") as replica:
        reply = await client.send(replica.url, [ITEM, *items], timeout_s=5)
    assert replica.requests[0].items == [ITEM, *items]
    assert reply.revision == "r7"
    assert [item.id for item in reply.items] == ["job-1", *(item.id for item in items)]
    body = reply.items[0].body
    assert isinstance(body, memoryview)
    assert json.loads(bytes(body))["echo"] == "koala"


async def test_a_large_batch_is_sent_whole(client: ReplicaClient) -> None:
    image = random.Random(1).randbytes(4_000_000)
    items = [BatchItem(id=str(n), filename="a", image=image) for n in range(4)]
    async with serve() as replica:
        # What the script answers is several times as long as the images.
        await client.send(replica.url, items, timeout_s=10, weight_bytes=60_000_000)
    assert all(item.image == image for item in replica.requests[0].items)


async def test_one_connection_serves_many_requests(client: ReplicaClient) -> None:
    async with serve() as replica:
        for _ in range(5):
            await client.send(replica.url, [ITEM], timeout_s=5)
        peers = {
            request.http.transport.get_extra_info("peername")
            for request in replica.requests
            if request.http.transport is not None
        }
    assert len(peers) <= 1


# Servers that break the contract


async def test_a_port_where_nobody_listens_never_saw_the_item(client: ReplicaClient) -> None:
    with pytest.raises(NotSentError):
        await client.send(scripted.closed_url(), [ITEM], timeout_s=5)


async def test_a_closed_client_sends_nothing() -> None:
    with pytest.raises(NotSentError):
        await ReplicaClient().send("http://127.0.0.1:1", [ITEM], timeout_s=5)


@pytest.mark.parametrize(
    "script",
    [scripted.reset, scripted.vanish, scripted.speak_no_http],
    ids=["reset", "vanish", "no http"],
)
async def test_a_connection_that_breaks_loses_the_replica(
    client: ReplicaClient, script: Script
) -> None:
    assert await failure(client, script) is ReplicaLostError


async def test_an_answer_that_breaks_off_is_no_answer(client: ReplicaClient) -> None:
    assert await failure(client, scripted.break_off) in (InvalidResponseError, ReplicaLostError)


@pytest.mark.parametrize("script", [scripted.hang, scripted.drip], ids=["hang", "drip"])
async def test_an_answer_has_to_be_complete_in_time(client: ReplicaClient, script: Script) -> None:
    before = now_s()
    assert await failure(client, script, timeout_s=0.1) is AttemptTimeoutError
    assert now_s() - before < 2


async def test_a_server_that_never_reads_is_out_of_time(client: ReplicaClient) -> None:
    item = BatchItem(id="job-1", filename="a", image=bytes(20_000_000))
    with scripted.silence() as url, pytest.raises(AttemptTimeoutError):
        await client.send(url, [item], timeout_s=0.2)


async def test_an_answer_of_500_is_a_failure(client: ReplicaClient) -> None:
    assert await failure(client, scripted.break_down) is ReplicaFailedError


GOOD = encode_reply(BatchReply(revision="r1", items=[item_reply(ITEM)]))
ENTRY = '"id": "job-1", "status": 200, "content_type": "application/json", "size": 2'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"CVB1",
        b"<html>It works!</html>",
        b"\x00" * 100,
        GOOD[:-1],
        GOOD + b"x",
        GOOD[:20],
        b"CVB2" + GOOD[4:],
        b"CVB1\xff\xff\xff\xff" + GOOD[8:],
        raw_frame(b"{}"),
        raw_frame(b"[]"),
        raw_frame(b"null"),
        raw_frame(b"{"),
        raw_frame(b"[" * 100_000),
        raw_frame(b'{"revision": "r1", "items": 3}'),
        raw_frame(b'{"revision": "r1", "items": []}'),
        raw_frame(b'{"revision": "r1", "items": [{"size": -1}]}'),
        raw_frame(b'{"revision": "r1", "items": [{"size": 1e999}]}'),
        raw_frame(b'{"revision": "r1", "items": [{"size": NaN}]}'),
        raw_frame(f'{{"items": [{{{ENTRY}, "duration_s": 0.1}}]}}'.encode(), b"{}"),
        raw_frame(f'{{"revision": "r1", "items": [{{{ENTRY}}}]}}'.encode(), b"{}"),
    ],
    ids=lambda body: ascii(body[:32]) + f"...{len(body)}",
)
async def test_garbage_is_an_invalid_answer(client: ReplicaClient, body: bytes) -> None:
    assert await failure(client, say(body)) is InvalidResponseError


@pytest.mark.parametrize("duration", ["NaN", "Infinity", "-Infinity", "1e999", "-1"])
async def test_a_duration_that_cannot_be_is_an_invalid_answer(
    client: ReplicaClient, duration: str
) -> None:
    header = f'{{"revision": "r1", "items": [{{{ENTRY}, "duration_s": {duration}}}]}}'
    assert await failure(client, say(raw_frame(header.encode(), b"{}"))) is InvalidResponseError


async def test_an_answer_to_other_items_is_an_invalid_answer(client: ReplicaClient) -> None:
    assert await failure(client, scripted.swap_ids) is InvalidResponseError


async def test_answers_in_another_order_are_an_invalid_answer(client: ReplicaClient) -> None:
    async def turn_round(request: scripted.Request) -> StreamResponse:
        return scripted.frame(request, [item_reply(item) for item in reversed(request.items)])

    items = [BatchItem(id=str(n), filename="a", image=b"a") for n in range(3)]
    async with serve(turn_round) as replica:
        with pytest.raises(InvalidResponseError):
            await client.send(replica.url, items, timeout_s=5)


async def test_an_answer_without_end_is_cut_off(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.pools.client.MAX_REPLY_BYTES", len(GOOD))
    async with serve(say(GOOD)) as replica:
        await client.send(replica.url, [ITEM], timeout_s=5)
    assert await failure(client, say(GOOD + b"x")) is InvalidResponseError
    assert await failure(client, say(bytes(10_000_000))) is InvalidResponseError


async def test_only_attempt_errors_escape_from_damaged_answers(client: ReplicaClient) -> None:
    dice = random.Random(1)
    async with serve() as replica:
        for _ in range(300):
            body = bytearray(GOOD)
            for _ in range(dice.randint(1, 4)):
                start = dice.randrange(len(body))
                body[start : start + dice.choice([0, 1, 1, 8])] = dice.choice(
                    [b"", b"9" * 400, b"1e999", b"[", b"{", b'"', b"null", dice.randbytes(2)]
                )
            replica.script = say(bytes(body))
            try:
                reply = await client.send(replica.url, [ITEM], timeout_s=5)
            except AttemptError:
                continue
            assert [item.id for item in reply.items] == [ITEM.id]


async def test_a_request_that_is_given_up_is_given_up_at_the_server_too(
    client: ReplicaClient,
) -> None:
    async with serve(scripted.in_turn(scripted.hang, scripted.answer)) as replica:
        for _ in range(2):
            sending = asyncio.create_task(client.send(replica.url, [ITEM], timeout_s=30))
            await asyncio.wait([sending], timeout=0.1)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await client.send(replica.url, [ITEM], timeout_s=5)


# Probes


async def test_a_ready_replica_says_what_it_is(client: ReplicaClient) -> None:
    async with serve(revision="r7", max_batch_size=8) as replica:
        report = await client.probe(replica.url, timeout_s=5)
    assert report == ReadyReport(revision="r7", max_batch_size=8, description="tiny torch")


async def test_a_replica_that_is_not_ready_yet_makes_no_report(client: ReplicaClient) -> None:
    async with serve(is_ready=False) as replica:
        assert await client.probe(replica.url, timeout_s=5) is None


@pytest.mark.parametrize(
    "document",
    [
        b"ready",
        b"[]",
        b"null",
        b"{}",
        b'{"revision": "r1"}',
        b'{"revision": "r1", "max_batch_size": null}',
        b'{"revision": "r1", "max_batch_size": "many"}',
        b'{"revision": "r1", "max_batch_size": 1e999}',
        b'{"revision": "r1", "max_batch_size": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda document: ascii(document[:40]),
)
async def test_a_replica_that_says_nonsense_is_not_ready(
    client: ReplicaClient, document: bytes
) -> None:
    async with serve(ready_document=document) as replica:
        assert await client.probe(replica.url, timeout_s=5) is None


async def test_a_batch_has_room_for_one_at_least(client: ReplicaClient) -> None:
    async with serve(max_batch_size=0) as replica:
        report = await client.probe(replica.url, timeout_s=5)
    assert report is not None
    assert report.max_batch_size == 1


async def test_nobody_is_neither_ready_nor_alive(client: ReplicaClient) -> None:
    assert await client.probe(scripted.closed_url(), timeout_s=5) is None
    assert not await client.is_alive(scripted.closed_url(), timeout_s=5)


async def test_a_replica_says_whether_it_lives(client: ReplicaClient) -> None:
    async with serve() as replica:
        assert await client.is_alive(replica.url, timeout_s=5)
        replica.is_alive = False
        assert not await client.is_alive(replica.url, timeout_s=5)


async def test_a_probe_waits_no_longer_than_it_may(client: ReplicaClient) -> None:
    before = now_s()
    with scripted.silence() as url:
        assert await client.probe(url, timeout_s=0.05) is None
        assert not await client.is_alive(url, timeout_s=0.05)
    assert now_s() - before < 2
