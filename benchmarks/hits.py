"""Cache hits a second, as a share of a bare ASGI application under the same server."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.photos import load_photos
from benchmarks.report import Row, at_least
from benchmarks.service import PROJECT, running_service

CONNECTIONS = 16
SECONDS = 4.0
TURNS = 3
BOUNDARY = "----conveyor-benchmark"


def measure(data_dir: Path) -> list[Row]:
    """Return the shares of raw and multipart bodies."""
    photo = min(load_photos(), key=lambda p: abs(len(p.data) - 110_000))
    raw = _request("image/jpeg", photo.data)
    form = _request(f"multipart/form-data; boundary={BOUNDARY}", _form(photo.data))
    bare, raw_hits, form_hits = [], [], []
    with running_service([], data_dir=data_dir) as service, _bare_server() as bare_port:
        port = int(service.url.rsplit(":", 1)[1])
        uvloop.run(_load(port, raw, seconds=2.0))  # the first one is computed
        for _ in range(TURNS):
            bare.append(uvloop.run(_load(bare_port, raw, seconds=SECONDS)))
            raw_hits.append(uvloop.run(_load(port, raw, seconds=SECONDS)))
            form_hits.append(uvloop.run(_load(port, form, seconds=SECONDS)))
    raw_share = median(h / b for h, b in zip(raw_hits, bare, strict=True))
    form_share = median(h / b for h, b in zip(form_hits, bare, strict=True))
    return [
        Row(f"bare ASGI, read + SHA-256, {len(photo.data)} bytes", f"{median(bare):.0f} req/s"),
        Row("cache hit, raw body", f"{median(raw_hits):.0f} req/s"),
        Row("cache hit, multipart", f"{median(form_hits):.0f} req/s"),
        at_least("cache hit, raw body: share", raw_share, 0.6),
        at_least("cache hit, multipart: share", form_share, 0.5),
    ]


def _form(data: bytes) -> bytes:
    head = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
        'name="image"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def _request(content_type: str, body: bytes) -> bytes:
    head = (
        "POST /predict_async HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _load(port: int, request: bytes, *, seconds: float) -> float:
    """Return the requests per second of a few connections that never pause."""
    ends_at = time.perf_counter() + seconds
    counts = await asyncio.gather(
        *(_connection(port, request, ends_at) for _ in range(CONNECTIONS))
    )
    return sum(counts) / seconds


async def _connection(port: int, request: bytes, ends_at: float) -> int:
    """Send one prepared request over and over; a client library would cost more than a hit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < ends_at:
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            raise SystemExit(f"unexpected answer: {head[:200]!r}")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        count += 1
    writer.close()
    return count


@contextmanager
def _bare_server() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "benchmarks.bare_asgi:app", "--port", str(port),
            "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--lifespan", "off",
            "--log-level", "warning",
        ],
        cwd=PROJECT,
    )  # fmt: skip
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)
