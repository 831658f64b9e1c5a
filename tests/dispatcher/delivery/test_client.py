"""Calls of strangers; security.md S20 to S25."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from standardwebhooks.webhooks import Webhook

from dispatcher.delivery.callback_url import CallbackPolicy, CallbackUrl, read_callback_url
from dispatcher.delivery.client import Answer, WebhookClient
from dispatcher.delivery.signing import load_signer
from tests.dispatcher.delivery.receiver import answering, receiving, silent, status
from tests.dispatcher.delivery.resolving import ScriptedResolver

BODY = b'{"request_id":"a","status":"completed"}'
ANYWHERE = CallbackPolicy(allow_http=True, allow_private=True)
PUBLIC_ONLY = CallbackPolicy(allow_http=True)


@pytest.fixture
def secret_dir(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses to which a connection was begun; none comes about."""
    begun: list[str] = []

    async def connect(_: Any, __: socket.socket, address: tuple[str, int]) -> None:
        begun.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
    return begun


@asynccontextmanager
async def calling(
    data_dir: Path, *, policy: CallbackPolicy = ANYWHERE, **options: Any
) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(
        load_signer=lambda: load_signer(None, data_dir=data_dir), policy=policy, **options
    )
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def url(
    port: int, host: str = "127.0.0.1", *, path: str = "/hook", scheme: str = "http"
) -> CallbackUrl:
    return read_callback_url(f"{scheme}://{host}:{port}{path}", ANYWHERE)


async def post(client: WebhookClient, to: CallbackUrl) -> Answer:
    async with asyncio.timeout(10):
        return await client.post(to, BODY, message_id="msg_a")


async def test_a_receiver_gets_the_document_signed(secret_dir: Path) -> None:
    async with receiving() as receiver, calling(secret_dir) as client:
        answer = await post(client, url(receiver.port, path="/hook%2f/%41?a=%20b"))
    (request,) = receiver.requests
    assert answer.status == 200
    assert request.line == "POST /hook%2f/%41?a=%20b HTTP/1.1"
    assert request.body == BODY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_a"
    secret = (secret_dir / "webhook-secret").read_text().strip()
    assert Webhook(secret).verify(request.body, request.headers) == json.loads(BODY)


@pytest.mark.parametrize("code", [204, 400, 404, 410, 429, 500, 503])
async def test_whatever_the_receiver_answers_is_told(secret_dir: Path, code: int) -> None:
    behave = status(code, "Retry-After: 30")
    async with receiving(behave) as receiver, calling(secret_dir) as client:
        answer = await post(client, url(receiver.port))
    assert (answer.status, answer.retry_after_s) == (code, 30.0)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(secret_dir: Path, code: int) -> None:
    async with receiving() as inside:
        behave = status(code, f"Location: http://127.0.0.1:{inside.port}/metadata")
        async with receiving(behave) as receiver, calling(secret_dir) as client:
            answer = await post(client, url(receiver.port))
    assert answer.status == code
    assert inside.connections == 0


async def test_an_inside_address_is_not_even_connected_to(secret_dir: Path) -> None:
    async with receiving() as inside, calling(secret_dir, policy=PUBLIC_ONLY) as client:
        assert (await post(client, url(inside.port))).status is None
    assert inside.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
        ["::1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%1"],
        ["not an address"],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(
    secret_dir: Path, addresses: list[str], connected: list[str]
) -> None:
    resolver = ScriptedResolver([addresses])
    async with (
        receiving() as inside,
        calling(secret_dir, policy=PUBLIC_ONLY, resolve=resolver.resolve) as client,
    ):
        answer = await post(client, url(inside.port, "good.example.com"))
    assert answer.status is None
    assert connected == [], "nor to the public address beside it"
    assert inside.connections == 0
    assert resolver.asked == ["good.example.com"]


async def test_a_name_is_resolved_once_and_rebinding_it_does_not_help(
    secret_dir: Path, connected: list[str]
) -> None:
    """The second answer would be loopback; the connection goes to what the first one said."""
    resolver = ScriptedResolver([["93.184.215.14"], ["127.0.0.1"]])
    async with (
        receiving() as inside,
        calling(secret_dir, policy=PUBLIC_ONLY, resolve=resolver.resolve) as client,
    ):
        answer = await post(client, url(inside.port, "good.example.com"))
        assert answer.status is None
        assert connected == ["93.184.215.14"]
        assert resolver.asked == ["good.example.com"]
        answer = await post(client, url(inside.port, "good.example.com"))
    assert answer.status is None
    assert connected == ["93.184.215.14"], "the next call asks again, and is told loopback"
    assert inside.connections == 0


async def test_the_last_look_is_at_the_socket_itself(
    secret_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the resolver let through: no socket is made for an address inside."""
    resolver = ScriptedResolver([["127.0.0.1"]])
    monkeypatch.setattr(
        "dispatcher.delivery.client._CheckedResolver.resolve", resolver.resolve_for_aiohttp
    )
    async with receiving() as inside, calling(secret_dir, policy=PUBLIC_ONLY) as client:
        answer = await post(client, url(inside.port, "good.example.com"))
    assert resolver.asked == ["good.example.com"]
    assert answer.status is None
    assert inside.connections == 0


async def test_host_and_sni_stay_those_of_the_url(secret_dir: Path) -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    resolver = ScriptedResolver([["127.0.0.1"]])
    async with (
        receiving(tls=server_tls) as receiver,
        calling(secret_dir, resolve=resolver.resolve, tls=client_tls) as client,
    ):
        answer = await post(client, url(receiver.port, "hooks.example.com", scheme="https"))
    assert answer.status == 200
    assert receiver.server_names == ["hooks.example.com"]
    assert receiver.requests[0].headers["host"] == f"hooks.example.com:{receiver.port}"


@pytest.mark.parametrize("name", ["other.example.com", None])
async def test_a_certificate_must_be_the_receivers_and_of_a_known_authority(
    secret_dir: Path, name: str | None
) -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name or "hooks.example.com").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    if name is not None:
        authority.configure_trust(client_tls)
    resolver = ScriptedResolver([["127.0.0.1"]])
    async with (
        receiving(tls=server_tls) as receiver,
        calling(secret_dir, resolve=resolver.resolve, tls=client_tls) as client,
    ):
        answer = await post(client, url(receiver.port, "hooks.example.com", scheme="https"))
    assert answer.status is None
    assert receiver.requests == []


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    secret_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = secret_dir / "netrc"
    passwords.write_text("machine 127.0.0.1 login operator password secret\n")
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("NETRC", str(passwords))
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with calling(secret_dir) as client:
            assert (await post(client, url(receiver.port))).status == 200
    assert proxy.connections == 0
    assert "authorization" not in receiver.requests[0].headers


async def test_no_more_of_an_answer_is_read_than_4_kib(secret_dir: Path) -> None:
    sent = 0

    async def pour(_: object, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with receiving(pour) as receiver, calling(secret_dir) as client:
        answer = await post(client, url(receiver.port))
    assert answer.status == 200
    assert "x" not in answer.reason
    assert sent < 16 * 1024 * 1024, "the kernel's buffers took it, and nobody else"


async def test_a_receiver_that_never_answers_is_left(secret_dir: Path) -> None:
    async with receiving(silent) as receiver, calling(secret_dir, timeout_s=0.1) as client:
        answer = await post(client, url(receiver.port))
    assert answer == Answer(None, "it did not answer in time")


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02",
    ],
)
async def test_garbage_is_a_failure_like_any_other(secret_dir: Path, garbage: bytes) -> None:
    async with receiving(answering(garbage)) as receiver, calling(secret_dir) as client:
        answer = await post(client, url(receiver.port))
    assert answer.status is None
    assert "SSH" not in answer.reason


async def test_nobody_there_is_a_failure(secret_dir: Path) -> None:
    async with receiving() as receiver:
        port = receiver.port
    async with calling(secret_dir) as client:
        assert (await post(client, url(port))).status is None


async def test_a_name_that_is_unknown_is_a_failure(secret_dir: Path) -> None:
    async def unknown(_: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with calling(secret_dir, resolve=unknown) as client:
        assert (await post(client, url(8080, "nowhere.example.com"))).status is None


async def test_the_system_resolves_names_unless_told_otherwise(secret_dir: Path) -> None:
    async with receiving() as receiver, calling(secret_dir) as client:
        answer = await post(client, url(receiver.port, "localhost"))
    assert answer.status == 200


async def test_a_client_that_is_closed_calls_nobody(secret_dir: Path) -> None:
    async with receiving() as receiver:
        async with calling(secret_dir) as client:
            pass
        assert (await post(client, url(receiver.port))).status is None
    assert receiver.connections == 0
