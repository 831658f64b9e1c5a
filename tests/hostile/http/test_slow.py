"""Rows C53, C59, C70: clients that take their time, with limits of tenths of a second."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from dispatcher.api.guards.patience import Limits
from tests.dispatcher.api.raw_http import Wire, connect, exchange, request, submission
from tests.dispatcher.api.serving import Served, serving
from tests.dispatcher.api.test_images import keep, keep_job
from tests.dispatcher.waiting import until

SHORT = Limits(
    header_timeout_s=0.4,
    body_timeout_s=0.8,
    idle_timeout_s=0.6,
    write_timeout_s=0.4,
    window_s=0.3,
    check_every_s=0.05,
)
MANY = 250
MIB = 1024 * 1024


@asynccontextmanager
async def many_wires(port: int, *beginnings: bytes) -> AsyncIterator[list[Wire]]:
    """Open one after the other, each of which at once sends how its request begins."""
    async with AsyncExitStack() as stack:
        opened = []
        for beginning in beginnings:
            opened.append(await stack.enter_async_context(connect(port)))
            opened[-1].send(beginning)
        yield opened


async def trickle(wire: Wire, data: bytes) -> None:
    """Send byte by byte, until the other side has had enough."""
    for byte in data:
        wire.send(bytes((byte,)))
        await asyncio.sleep(0.05)
        if wire.writer.transport.is_closing():
            return


async def status_of(wire: Wire) -> int:
    status = (await wire.answer(within_s=5)).status
    assert await wire.is_closed()
    return status


async def test_c53_who_connects_and_sends_nothing_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=SHORT) as served, connect(served.port) as wire:
        started = time.monotonic()
        assert await wire.is_closed()
        assert 0.3 < time.monotonic() - started < 2


async def test_c53_a_head_that_comes_byte_by_byte_is_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=SHORT) as served, connect(served.port) as wire:
        sending = asyncio.create_task(trickle(wire, request("GET", "/livez", "X-A: " + "a" * 500)))
        answer = await wire.answer(within_s=5)
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert await wire.is_closed()
        await sending


@pytest.mark.parametrize("path", ["/predict_async", "/pipeline"])
async def test_c53_a_body_that_comes_byte_by_byte_is_given_up(tmp_path: Path, path: str) -> None:
    kind = "application/json" if path == "/pipeline" else "image/png"
    async with serving(tmp_path, limits=SHORT) as served, connect(served.port) as wire:
        wire.send(request("POST", path, f"Content-Type: {kind}", "Content-Length: 100000"))
        sending = asyncio.create_task(trickle(wire, b"x" * 500))
        answer = await wire.answer(within_s=5)
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert await wire.is_closed()
        assert served.is_untouched()
        await sending


async def test_c53_a_body_that_nobody_reads_is_not_waited_for_either(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=SHORT) as served, connect(served.port) as wire:
        wire.send(request("POST", "/nowhere", "Content-Length: 100000"))
        assert (await wire.answer()).status == 404
        sending = asyncio.create_task(trickle(wire, b"x" * 500))
        assert await wire.is_closed(within_s=5)
        await sending


async def test_c53_who_comes_back_between_requests_is_served(tmp_path: Path) -> None:
    limits = replace(SHORT, idle_timeout_s=3.0)
    async with serving(tmp_path, limits=limits) as served, connect(served.port) as wire:
        for _ in range(4):
            wire.send(request())
            assert (await wire.answer()).status == 200
            await asyncio.sleep(0.5)  # longer than a head may take, shorter than the idle time
        assert await wire.is_closed()


async def test_c53_who_waits_for_an_answer_is_not_idle(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=SHORT) as served, connect(served.port) as wire:
        wire.send(submission(path="/predict?timeout_s=1.5"))
        answer = await wire.answer()
        assert (answer.status, answer.json()["from_cache"]) == (202, False)


async def test_c53_p20_hundreds_of_slow_clients_hurt_nobody(tmp_path: Path) -> None:
    """A third each sends nothing, a head byte by byte, a body byte by byte."""
    head = request("GET", "/livez", "X-A: " + "a" * 1000)
    body = request("POST", "/predict_async", "Content-Type: image/png", "Content-Length: 9999")
    third = 2 * MANY // 3
    beginnings = [b""] * third + [head[:20]] * third + [body + b"x"] * third
    async with (
        serving(tmp_path, limits=SHORT) as served,
        many_wires(served.port, *beginnings) as wires,
    ):
        durations: list[float] = []
        while len(served.connections()) > 1 or not durations:
            started = time.monotonic()
            assert (await exchange(served.port, request())).status == 200
            durations.append(time.monotonic() - started)
        assert median(durations) < 0.1, "each of them, not the one that the machine held up"
        assert max(durations) < 2
        assert {await status_of(wire) for wire in wires[:third]} == {0}
        assert {await status_of(wire) for wire in wires[third:]} == {408}
        assert served.is_untouched()


async def test_c59_a_thousand_requests_in_one_packet_are_answered_in_order(
    open_service: Served,
) -> None:
    paths = ["/livez" if number % 2 else "/health" for number in range(1000)]
    async with connect(open_service.port) as wire:
        wire.send(b"".join(request("GET", path) for path in paths))
        said = [(await wire.answer()).json()["status"] for _ in paths]
        assert said == ["alive" if number % 2 else "healthy" for number in range(1000)]


async def test_c59_more_than_that_are_not_kept_waiting(open_service: Served) -> None:
    limit = Limits().max_pipelined
    async with connect(open_service.port) as wire:
        wire.send(request() * (limit + 500))
        answers = [await wire.answer() for _ in range(limit + 1)]
        assert {answer.status for answer in answers} == {200}
        assert (await wire.answer()).code == "bad_request"
        assert await wire.is_closed()


async def test_c59_a_malformed_request_is_answered_in_its_turn(open_service: Served) -> None:
    async with connect(open_service.port) as wire:
        wire.send(submission(path="/predict?timeout_s=0.3") + request() + b"nonsense\r\n\r\n")
        assert [(await wire.answer()).status for _ in range(3)] == [202, 200, 400]
        assert await wire.is_closed()


async def test_c59_idle_connections_make_room_for_new_ones(tmp_path: Path) -> None:
    limits = Limits(max_connections=60)
    async with serving(tmp_path, limits=limits) as served, many_wires(served.port, *[b""] * 300):
        async with asyncio.timeout(5):
            while len(served.connections()) > 61:
                assert (await exchange(served.port, request("GET", "/readyz"))).status == 200


async def test_c59_when_all_connections_are_in_use_one_more_is_refused(tmp_path: Path) -> None:
    limits = Limits(max_connections=10)
    async with (
        serving(tmp_path, limits=limits) as served,
        many_wires(served.port, *[b""] * 10) as wires,
    ):
        for wire in wires:
            wire.send(submission(path="/predict?timeout_s=1"))
        await until(lambda: all(not c.is_quiet() for c in served.connections()))
        answer = await exchange(served.port, request("GET", "/readyz"))
        assert (answer.status, answer.code) == (503, "overloaded")
        assert [(await wire.answer()).status for wire in wires] == [202] * 10


async def test_c70_who_never_reads_is_broken_off_and_fills_no_memory(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=SHORT) as served:
        picture = b"x" * (20 * MIB)
        await keep_job(served.services, [await keep(served.services, picture)])
        async with connect(served.port) as wire:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's has it
            wire.send(request("GET", "/result/job-1/image"))
            (connection,) = served.connections()
            await until(connection.transport.get_write_buffer_size)
            await until(lambda: not served.connections())


async def test_c70_who_reads_slowly_gets_all_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=SHORT) as served:
        picture = b"x" * (12 * MIB)
        await keep_job(served.services, [await keep(served.services, picture)])
        async with connect(served.port) as wire:
            wire.send(request("GET", "/result/job-1/image"))
            await wire.reader.readuntil(b"\r\n\r\n")
            read = 0
            while read < len(picture):
                read += len(await wire.reader.read(MIB))
                await asyncio.sleep(0.1)
            assert read == len(picture)
