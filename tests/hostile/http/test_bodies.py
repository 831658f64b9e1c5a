"""Rows C49 to C52, C56, C57, C71, C72: bodies that are not what they say."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from step_app.contract.limits import MAX_IMAGE_BYTES
from tests.dispatcher.api.raw_http import (
    IMAGE,
    NOTHING,
    Answer,
    Wire,
    connect,
    exchange,
    request,
    submission,
)
from tests.dispatcher.api.serving import Served, serving
from tests.dispatcher.images import png
from tests.dispatcher.waiting import until

PNG = "Content-Type: image/png"
CHUNKED = "Transfer-Encoding: chunked"
LENGTH = len(IMAGE)
MIB = 1024 * 1024


def head(*lines: str) -> bytes:
    return request("POST", "/predict_async", PNG, *lines)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


LAST_CHUNK = b"0\r\n\r\n"
WHOLE = chunk(IMAGE) + LAST_CHUNK
AMBIGUOUS = {
    "negative": head("Content-Length: -5") + IMAGE,
    "plus": head(f"Content-Length: +{LENGTH}") + IMAGE,
    "list": head(f"Content-Length: {LENGTH},{LENGTH}") + IMAGE,
    "hexadecimal": head("Content-Length: 0x10") + IMAGE,
    "two-numbers": head(f"Content-Length: {LENGTH} 5") + IMAGE,
    "empty": head("Content-Length:") + IMAGE,
    "two": head("Content-Length: 5", f"Content-Length: {LENGTH}") + IMAGE,
    "length-and-chunks": head(f"Content-Length: {LENGTH}", CHUNKED) + WHOLE,
    "chunks-and-length": head(CHUNKED, f"Content-Length: {LENGTH}") + WHOLE,
    "chunked-identity": head(f"{CHUNKED}, identity") + WHOLE,
    "identity": head("Transfer-Encoding: identity") + WHOLE,
    "gzip-chunked": head("Transfer-Encoding: gzip, chunked") + WHOLE,
    "xchunked": head("Transfer-Encoding: xchunked") + WHOLE,
    "chunked-twice": head(CHUNKED, CHUNKED) + WHOLE,
    "space-before-colon": head("Transfer-Encoding : chunked") + WHOLE,
    "folded": head("Transfer-Encoding:\r\n chunked") + WHOLE,
    "vertical-tab": head("Transfer-Encoding: \x0bchunked") + WHOLE,
    "bare-line-feeds": head(CHUNKED) + WHOLE.replace(b"\r\n", b"\n"),
    "extension": head(CHUNKED) + b"5;" + b"a" * MIB + b"\r\nhello\r\n" + LAST_CHUNK,
    "more-than-64-bits": head(CHUNKED) + b"F" * 17 + b"\r\n" + IMAGE,
    "negative-chunk": head(CHUNKED) + b"-1\r\n" + IMAGE,
    "prefixed-chunk": head(CHUNKED) + b"0x5\r\nhello\r\n",
    "chunk-too-long": head(CHUNKED) + b"5\r\nhelloX\r\n" + LAST_CHUNK,
}


async def test_c49_a_body_longer_than_the_limit_is_refused_by_its_length(
    open_service: Served,
) -> None:
    async with connect(open_service.port) as wire:
        wire.send(head(f"Content-Length: {MAX_IMAGE_BYTES + 1}"))
        answer = await wire.answer(within_s=2)
        assert (answer.status, answer.code) == (413, "payload_too_large")
    assert open_service.is_untouched()


async def test_c50_an_endless_body_is_refused_when_the_limit_is_passed(
    open_service: Served,
) -> None:
    async with connect(open_service.port) as wire:
        wire.send(head(CHUNKED))
        piece = chunk(b"x" * MIB)
        for _ in range(MAX_IMAGE_BYTES // MIB + 1):
            wire.send(piece)
        answer = await wire.answer()
        assert (answer.status, answer.code) == (413, "payload_too_large")
        assert answer.headers["connection"] == "close"
        assert await wire.is_closed()
    assert open_service.is_untouched()


async def test_c51_a_body_shorter_than_its_length_leaves_nothing(open_service: Served) -> None:
    async with connect(open_service.port) as wire:
        wire.send(head(f"Content-Length: {LENGTH + 1}") + IMAGE)
        wire.writer.write_eof()
        assert (await wire.answer()).status in (0, 400)
    await until(lambda: not open_service.connections())
    assert open_service.is_untouched()


async def test_c51_what_is_left_over_is_no_request(open_service: Served) -> None:
    async with connect(open_service.port) as wire:
        wire.send(head(f"Content-Length: {LENGTH}") + IMAGE + b"left over\r\n\r\n")
        assert (await wire.answer()).status == 202
        answer = await wire.answer()
        assert (answer.status, answer.code) == (400, "bad_request")
        assert await wire.is_closed()


async def test_c52_a_length_that_can_be_read_in_two_ways_is_refused(
    open_service: Served,
) -> None:
    async def outcome(sent: bytes) -> tuple[int, str, str, bool]:
        async with connect(open_service.port) as wire:
            wire.send(sent)
            answer = await wire.answer(within_s=2)
            is_closed = await wire.is_closed()
            return answer.status, answer.code, answer.headers["connection"], is_closed

    outcomes = await asyncio.gather(*map(outcome, AMBIGUOUS.values()))
    wrong = {
        name: got
        for name, got in zip(AMBIGUOUS, outcomes, strict=True)
        if got not in ((400, "bad_request", "close", True), (400, "incomplete_body", "close", True))
    }
    assert wrong == {}
    assert open_service.is_untouched()


async def test_c52_a_chunk_of_almost_64_bits_costs_nothing_and_is_never_complete(
    open_service: Served,
) -> None:
    """Corrected: the size fits, so it is legal; what counts is the limit of the body."""
    async with connect(open_service.port) as wire:
        wire.send(head(CHUNKED) + b"F" * 16 + b"\r\n" + b"x" * (MAX_IMAGE_BYTES + 1))
        answer = await wire.answer()
        assert (answer.status, answer.code) == (413, "payload_too_large")
    assert open_service.is_untouched()


async def test_c52_an_honest_chunked_body_is_taken(open_service: Served) -> None:
    assert (await exchange(open_service.port, head(CHUNKED) + WHOLE)).status == 202


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
async def test_c56_a_client_that_leaves_within_its_body_leaves_nothing(
    open_service: Served, part: float
) -> None:
    body = png(tail=b"x" * 300_000)
    async with connect(open_service.port) as wire:
        wire.send(head(f"Content-Length: {len(body)}") + body[: int(len(body) * part)])
        await until(lambda: open_service.connections()[0].body_bytes)
    await until(lambda: not open_service.connections())
    assert open_service.is_untouched()


async def test_c56_a_client_that_leaves_after_its_body_may_have_a_job_that_ends(
    open_service: Served,
) -> None:
    async with connect(open_service.port) as wire:
        wire.send(submission())
        await wire.writer.drain()
    await until(lambda: not open_service.connections())
    services = open_service.services
    assert services.queue.depth() == services.results.count()


async def test_c57_a_compressed_body_is_not_inflated(open_service: Served) -> None:
    sent = submission("Content-Encoding: gzip", body=b"\x1f\x8b" + b"\0" * 1000)
    answer = await exchange(open_service.port, sent)
    assert (answer.status, answer.code) == (415, "unsupported_encoding")
    assert open_service.is_untouched()


async def test_c71_an_image_in_segments_of_one_byte_is_taken(open_service: Served) -> None:
    body = png(tail=b"x" * 20_000)
    async with connect(open_service.port) as wire:
        wire.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.send(head(f"Content-Length: {len(body)}"))
        for byte in body:
            wire.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await wire.answer()).status == 202


async def test_c71_chunks_of_one_byte_are_refused_before_they_cost_much(
    open_service: Served,
) -> None:
    """Corrected: 20 MiB in chunks of a byte are 120 MB on the wire, and minutes of parsing.

    Framing may cost as much as what it carries and 64 KiB more.
    """
    started = time.process_time()
    async with connect(open_service.port) as wire:
        wire.send(head(CHUNKED) + b"1\r\nx\r\n" * 1_000_000)
        answer = await wire.answer()
        assert (answer.status, answer.code) == (400, "bad_request")
    assert time.process_time() - started < 2
    assert open_service.is_untouched()


async def test_c71_small_chunks_are_taken_in_linear_time(open_service: Served) -> None:
    body = png(tail=b"x" * (MAX_IMAGE_BYTES - 1000))
    pieces = (body[start : start + 512] for start in range(0, len(body), 512))
    sent = head(CHUNKED) + b"".join(map(chunk, pieces)) + LAST_CHUNK
    started = time.process_time()
    answer = await exchange(open_service.port, sent)
    assert answer.status == 202
    assert time.process_time() - started < 2


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_c72_uploads_beyond_the_budget_are_refused_while_they_arrive(
    tmp_path: Path, is_chunked: bool
) -> None:
    body = png(tail=b"x" * MIB)
    start, end = (chunk(body[:-1]), chunk(body[-1:]) + LAST_CHUNK) if is_chunked else (
        body[:-1], body[-1:]
    )  # fmt: skip
    line = CHUNKED if is_chunked else f"Content-Length: {len(body)}"
    budget = str(5 * len(body) + 100)
    async with serving(tmp_path, "--upload-budget-bytes", budget) as served:
        wires = [await _open(served.port) for _ in range(20)]
        for wire in wires:
            wire.send(head(line) + start)
        answers = await asyncio.gather(*(_soon(wire) for wire in wires))
        refused = [answer for answer in answers if answer is not NOTHING]
        assert len(refused) == 15
        assert {(answer.status, answer.code) for answer in refused} == {(503, "overloaded")}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        for wire, answer in zip(wires, answers, strict=True):
            if answer is NOTHING:
                wire.send(end)
                assert (await wire.answer()).status == 202
        assert (await exchange(served.port, submission(body=body))).status == 202
        for wire in wires:
            wire.writer.close()


async def _open(port: int) -> Wire:
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


async def _soon(wire: Wire) -> Answer:
    """An answer that comes before the body is complete; ``NOTHING`` when the rest is awaited."""
    try:
        return await wire.answer(within_s=1.5)
    except TimeoutError:
        return NOTHING
