import asyncio
import errno
import hashlib
import os

import pytest
from aiohttp import web

from load_tester.errors import BrokenError, FailedError, UnreachableError
from load_tester.targets import client as client_module
from load_tester.targets.client import HttpClient, name_shortage, open_session
from tests.load_tester.targets.serving import serve_routes


async def digest(request: web.Request) -> web.Response:
    return web.Response(text=hashlib.sha256(await request.read()).hexdigest())


@pytest.mark.parametrize("size_bytes", [0, 1, 100_000, 128 * 1024 + 1, 20_000_000])
async def test_a_body_of_any_size_arrives_whole(size_bytes: int) -> None:
    body = bytes(range(256)) * (size_bytes // 256 + 1)
    body = body[:size_bytes]
    async with serve_routes({"POST /": digest}) as url, open_session() as session:
        client = HttpClient(session, url=url)
        reply = await client.post(client.address("/"), body=body, headers={})
    assert (reply.status, reply.body.decode()) == (200, hashlib.sha256(body).hexdigest())


async def test_large_bodies_under_way_hold_up_no_small_request() -> None:
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await gate.wait()
        return await digest(request)

    async def quick(_: web.Request) -> web.Response:
        return web.Response(text="quick")

    async with serve_routes({"POST /": slow, "GET /": quick}) as url, open_session() as session:
        client = HttpClient(session, url=url)
        body = b"x" * 50_000_000
        large = [
            asyncio.create_task(client.post(client.address("/"), body=body, headers={}))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        assert (await client.get(client.address("/"))).body == b"quick"
        assert not any(task.done() for task in large)
        gate.set()
        replies = await asyncio.gather(*large)
    assert {reply.body.decode() for reply in replies} == {hashlib.sha256(body).hexdigest()}


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    async with serve_routes({"GET /": redirect}) as url, open_session() as session:
        client = HttpClient(session, url=url)
        assert (await client.get(client.address("/"))).status == 302
        # It leads nowhere, and the service is there all the same.
        await client.check_reachable("/")


async def test_an_answer_in_chunks_is_read_whole_and_one_without_end_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100_000)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.query["chunks"])):
            await response.write(b"x" * 1000)
        return response

    async with serve_routes({"GET /": stream}) as url, open_session() as session:
        client = HttpClient(session, url=url)
        assert len((await client.get(client.address("/?chunks=100"))).body) == 100_000
        with pytest.raises(FailedError, match="answer_too_long"):
            await client.get(client.address("/?chunks=1000"))


async def test_an_upload_is_never_sent_twice_by_itself() -> None:
    arrived = 0

    async def cut(request: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        await request.read()
        assert request.transport is not None
        if arrived > 1:  # the first answer leaves a connection that is used again
            request.transport.abort()
        return web.Response(text="")

    async with serve_routes({"POST /": cut}) as url, open_session() as session:
        client = HttpClient(session, url=url)
        await client.post(client.address("/"), body=b"x", headers={})
        with pytest.raises(BrokenError):
            await client.post(client.address("/"), body=b"x", headers={})
    assert arrived == 2


async def test_the_key_goes_with_every_request_and_nowhere_else() -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response()

    async with serve_routes({"GET /": note, "POST /": note}) as url:
        async with open_session(api_key="s3cret") as session:
            client = HttpClient(session, url=url)
            await client.get(client.address("/"))
            await client.post(client.address("/"), body=b"", headers={})
        async with open_session() as session:
            await HttpClient(session, url=url).check_reachable("/")
    assert seen == ["Bearer s3cret", "Bearer s3cret", None]


async def test_more_connections_than_a_hundred_are_open_at_once() -> None:
    waiting, gate = 0, asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        if waiting == 150:
            gate.set()
        await gate.wait()
        return web.Response()

    async with serve_routes({"GET /": wait}) as url, open_session() as session:
        client = HttpClient(session, url=url)
        async with asyncio.timeout(20):
            await asyncio.gather(*(client.get(client.address("/")) for _ in range(150)))


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:1", "refused"),
        ("http://no-such-host.invalid", "no-such-host.invalid"),
        ("http://a..b", "a..b"),
    ],
)
async def test_an_unreachable_service_is_named_with_the_cause(url: str, cause: str) -> None:
    async with open_session() as session:
        with pytest.raises(UnreachableError, match=cause) as caught:
            await HttpClient(session, url=url).check_reachable("/health")
    assert str(caught.value).startswith(f"service unreachable at {url}: ")


async def test_a_service_that_says_nothing_is_unreachable_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "HEALTH_TIMEOUT_S", 0.1)

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async with serve_routes({"GET /health": silent}) as url, open_session() as session:
        with pytest.raises(UnreachableError, match=r"no answer within 0\.1 s"):
            await HttpClient(session, url=url).check_reachable("/health")


async def test_an_outage_is_told_once_and_again_after_the_service_was_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fine(_: web.Request) -> web.Response:
        return web.Response(headers={"Connection": "close"})

    async with open_session() as session:
        async with serve_routes({"GET /": fine}) as url:
            client = HttpClient(session, url=url)
            await client.get(client.address("/"))
        for _ in range(3):
            with pytest.raises(BrokenError):
                await client.get(client.address("/"))
    assert [url in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EMFILE, "no_file_descriptor"),
        (errno.ENFILE, "no_file_descriptor"),
        (errno.EADDRNOTAVAIL, "no_local_port"),
        (errno.ECONNREFUSED, None),
    ],
)
def test_what_this_machine_ran_out_of_is_told_from_what_the_service_did(
    number: int, reason: str | None
) -> None:
    assert name_shortage(OSError(number, os.strerror(number))) == reason
