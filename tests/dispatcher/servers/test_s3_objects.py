"""Which bucket a URL means, and whom a store speaks to."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from dispatcher.errors import StartupError
from dispatcher.servers.objects import ObjectStore
from tests.dispatcher.servers.connecting import given_up, reached

_NOTHING = (
    b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "conveyor")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs certificates, unknown to the system."""
    return trustme.CA()


@asynccontextmanager
async def empty_bucket(
    authority: trustme.CA, host: str, asked: list[bytes] | None = None
) -> AsyncIterator[int]:
    """Serve listings of an empty bucket over TLS; give the port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(tls)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(head)
        length = f"Content-Length: {len(_NOTHING)}\r\nConnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\n{length}".encode() + _NOTHING)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def looking(url: str) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(url)
    await store.start()
    yield store
    await store.close()


async def test_a_certificate_of_an_authority_that_is_named_is_good(
    authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    asked: list[bytes] = []
    async with empty_bucket(authority, "localhost", asked) as port:
        url = f"s3://images/deep?endpoint=https://localhost:{port}&region=r1&ca_file={tmp_path}/ca.pem"
        async with looking(url) as store:
            await reached(store)
    assert asked[0].startswith(b"GET /images?")
    assert b"prefix=deep%2F" in asked[0]
    assert b"/r1/s3/aws4_request" in asked[0]
    assert b"hunter2" not in asked[0]


@pytest.mark.parametrize("host", ["localhost", "other.example"])
async def test_no_setting_of_the_environment_has_a_certificate_go_unverified(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("AWS_ALLOW_INVALID_CERTIFICATES", "true")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ca_file = f"&ca_file={tmp_path}/ca.pem" if host == "other.example" else ""
    async with empty_bucket(authority, host) as port:
        url = f"s3://images?endpoint=https://localhost:{port}&region=r1{ca_file}"
        async with looking(url) as store:
            await given_up(store, "certificate cannot be verified")


async def test_without_credentials_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A store asks the machine that it runs on for them, which is here not asked for real."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    async with looking("s3://images?endpoint=http://127.0.0.1:1&region=r1") as store:
        await given_up(store, "AWS_ACCESS_KEY_ID is not set")


async def test_an_amazon_bucket_needs_no_endpoint() -> None:
    assert ObjectStore("s3://images?region=eu-central-1").unready() is not None


_USE_AND_END = """
import asyncio, sys
from dispatcher.servers import objects, s3_objects
from dispatcher.servers.objects import ObjectStore

objects._DEADLINE_S = objects._WAIT_S = s3_objects._ANSWER_S = 60  # four at once are slow

async def main():
    store = ObjectStore(sys.argv[1])
    await store.start()
    await asyncio.gather(*(store.put(f"a/{n}", b"x" * 10_000) for n in range(20)))
    for number in range(20):
        asyncio.create_task(store.get(f"a/{number}"))
    await asyncio.sleep(0)
    sys.exit(3)

asyncio.run(main())
"""


def test_a_process_may_end_at_any_moment_of_a_call(s3_url: str) -> None:
    """Three of ten did so by SIGABRT when obstore's coroutines were used."""
    running = [
        subprocess.Popen([sys.executable, "-c", _USE_AND_END, s3_url], stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait(60) for process in running] == [3] * len(running)


SPOIL: dict[str, Callable[[Path], str]] = {
    "credentials in it": lambda _: "s3://key:hunter2@images?endpoint=https://host",
    "no bucket": lambda _: "s3:///folder?endpoint=https://host",
    "an endpoint that is none": lambda _: "s3://images?endpoint=host:9000",
    "an unknown parameter": lambda _: "s3://images?allow_invalid_certificates=true",
    "a file that is not there": lambda path: f"s3://images?ca_file={path}/none",
    "a file without certificates": lambda path: f"s3://images?ca_file={path}/empty",
}


@pytest.mark.parametrize("what", SPOIL)
def test_a_url_that_cannot_be_ends_the_start(tmp_path: Path, what: str) -> None:
    (tmp_path / "empty").write_bytes(b"nothing")
    with pytest.raises(StartupError, match=r"^--blob-url: ") as refused:
        ObjectStore(SPOIL[what](tmp_path))
    assert "hunter2" not in str(refused.value)
