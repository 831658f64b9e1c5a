"""Event streams over a real socket: clients that never read, and clients that leave (C70)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dispatcher.api.guards.patience import Limits
from dispatcher.jobs import Job
from tests.dispatcher.api.serving import Served, serving
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.waiting import until

SHORT = Limits(write_timeout_s=0.3, check_every_s=0.05)
BIG_BYTES = 16 * 1024 * 1024
SMALL_WINDOW_BYTES = 4096


@asynccontextmanager
async def asking(served: Served, job: Job) -> AsyncIterator[socket.socket]:
    """Ask for the events of a job, and read nothing."""
    await served.services.results.add(job)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", served.port))
        head = f"GET /result/{job.id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        await loop.sock_sendall(client, head.encode())
        yield client


async def read(client: socket.socket, *, until_has: bytes) -> bytes:
    """Read as much as needed."""
    received = b""
    async with asyncio.timeout(5):
        while until_has not in received:
            received += await asyncio.get_running_loop().sock_recv(client, 4096)
    return received


async def test_who_never_reads_its_events_is_broken_off(tmp_path: Path) -> None:
    job = make_job()
    async with (
        serving(tmp_path, limits=SHORT) as served,
        asking(served, job) as client,
    ):
        await read(client, until_has=b"event: queued")
        (connection,) = served.connections()
        await served.services.results.save(completed(job, result={"text": "x" * BIG_BYTES}))
        await until(lambda: connection.transport.get_write_buffer_size() > 0)
        await until(lambda: not served.connections(), within_s=5)


async def test_who_leaves_is_forgotten_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with asking(served, make_job()) as client:
            await read(client, until_has=b"event: queued")
            assert len(served.connections()) == 1
        await until(lambda: not served.connections(), within_s=5)
        await until(lambda: not served.server.server_state.tasks, within_s=5)


async def test_a_service_that_ends_breaks_no_stream_off(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, asking(served, make_job()) as client:
        received = await read(client, until_has=b"event: queued")
        served.services.lifecycle.ending.set()
        received += await read(client, until_has=b"0\r\n\r\n")
    assert b"transfer-encoding: chunked" in received.lower()
    assert received.count(b"event: ") == 1
