"""Rows C54, C55, C58, C60 to C63: heads of requests as nobody should write them."""

import gc
import logging
import time

import pytest

from tests.dispatcher.api.raw_http import (
    IMAGE,
    Answer,
    connect,
    exchange,
    request,
    submission,
)
from tests.dispatcher.api.serving import KEYS, Served, bearer
from tests.dispatcher.api.test_images import keep, keep_job

HOST = "Host: localhost"
UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ")


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def refusal(served: Served, sent: bytes) -> tuple[int, str]:
    """How a head is refused; the connection must be closed behind it."""
    async with connect(served.port) as wire:
        wire.send(sent)
        answer = await wire.answer(within_s=2)
        assert answer.headers["connection"] == "close"
        assert await wire.is_closed()
        return answer.status, answer.code


TOO_MUCH = {
    431: (
        request("GET", "/livez", "X-Long: " + "a" * 65536),
        request("GET", "/livez", *(f"X-{number}: b" for number in range(10_000))),
        request("GET", "/livez", *(f"X-{number}: b" for number in range(100))),
        request("GET", "/livez", *("X-Same: " + "b" * 1000 for _ in range(40))),
    ),
    414: (request("GET", "/livez?" + "a" * 65536), request("GET", "/" + "a" * 8192)),
    400: (
        request("GET", "/livez", "X-Nul: a\0b"),
        request("GET", "/livez", "X-Return: a\rb"),
        request("GET", "/livez", "X-Feed: a\nb"),
        request("GET", "/livez", "X-Fold: a\r\n b"),
        request("GET", "/livez", ": nameless"),
        request("GET", "/livez", "X Space: a"),
    ),
}


async def test_c54_a_head_beyond_its_limits_is_refused(open_service: Served) -> None:
    codes = {431: "headers_too_large", 414: "uri_too_long", 400: "bad_request"}
    for status, heads in TOO_MUCH.items():
        for sent in heads:
            assert await refusal(open_service, sent) == (status, codes[status]), sent[:40]


async def test_c54_a_head_that_never_ends_is_refused_at_its_limit(open_service: Served) -> None:
    async with connect(open_service.port) as wire:
        wire.send(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Long: ")
        for _ in range(33):
            wire.send(b"a" * 1024)
            await wire.writer.drain()
        assert (await wire.answer(within_s=2)).status == 431


async def test_c54_a_head_within_its_limits_is_read(open_service: Served) -> None:
    lines = [f"X-{number}: {'b' * 300}" for number in range(90)]
    assert (await exchange(open_service.port, request("GET", "/livez", *lines))).status == 200


@pytest.mark.parametrize("line", ["X-No: key", f"Authorization: {bearer('reader')}"])
async def test_c55_nobody_is_asked_for_a_body_that_is_not_wanted(served: Served, line: str) -> None:
    async with connect(served.port) as wire:
        wire.send(
            request(
                "POST", "/predict_async", "Content-Type: image/png", "Content-Length: 5000000",
                "Expect: 100-continue", line,
            )
        )  # fmt: skip
        answer = await wire.answer(within_s=2)
        assert answer.status == (403 if "Authorization" in line else 401)


async def test_c55_with_a_good_key_the_body_is_asked_for(served: Served) -> None:
    async with connect(served.port) as wire:
        lines = ["Expect: 100-continue", f"Authorization: {bearer('alice')}"]
        wire.send(submission(*lines)[: -len(IMAGE)])
        assert (await wire.answer(within_s=2)).status == 100
        wire.send(IMAGE)
        assert (await wire.answer()).status == 202


ODD = [
    (head("GET /livez HTTP/1.0"), {200}),
    (head("POST /predict_async HTTP/1.0", "Content-Type: image/png",
          f"Content-Length: {len(IMAGE)}") + IMAGE, {202}),
    (b"GET /livez\r\n\r\n", {400}),
    (head("GET /livez HTTP/2.0", HOST), {400}),
    (head("GET /livez HTTP/1.2", HOST), {400}),
    (head("GET /livez HTTP/9.9", HOST), {400}),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    (bytes.fromhex("16030100c8010000c40303") + bytes(range(200)), {400}),
    (head("CONNECT evil.example:443 HTTP/1.1", "Host: evil.example:443"), {400}),
    (head("TRACE /livez HTTP/1.1", HOST), {405}),
    (head("NONSENSE /livez HTTP/1.1", HOST), {400}),
    (head("get /livez HTTP/1.1", HOST), {400}),
    (head("OPTIONS * HTTP/1.1", HOST), {400, 404, 405}),
    (head("GET livez HTTP/1.1", HOST), {400}),
    (b"GET /liv\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    (b"GET /livez HTTP/1.1\nHost: a\n\n", {400}),
    (b"\x00" * 100, {400}),
]  # fmt: skip


async def test_c58_what_is_not_http_1_is_refused_and_leaves_no_trace(
    open_service: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for sent, statuses in ODD:
            assert (await exchange(open_service.port, sent)).status in statuses, sent[:40]
    assert caplog.text == ""


@pytest.mark.parametrize("sent", [request("GET", "/livez", *UPGRADE), submission(*UPGRADE)])
async def test_c58_a_wish_for_http_2_is_ignored_and_the_request_served(
    open_service: Served, sent: bytes
) -> None:
    """Corrected: some clients add it to every request, and a server may ignore it."""
    async with connect(open_service.port) as wire:
        for _ in range(3):
            wire.send(sent)
        statuses = {(await wire.answer(within_s=2)).status for _ in range(3)}
        assert statuses <= {200, 202}


async def test_c70_no_web_socket_is_opened(open_service: Served) -> None:
    lines = (
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    answer = await exchange(open_service.port, request("GET", "/result/x", *lines))
    assert answer.status == 404


HOSTS = {
    "evil": 200,
    "evil.example:8080": 200,
    "[::1]:8080": 200,
    "a/../b": 400,
    "a b": 400,
    "a@b": 400,
    "a,b": 400,
    "": 400,
    "a\\b": 400,
    "a:b": 400,
    "<script>": 400,
}


async def test_c60_a_host_is_a_host_and_changes_nothing(open_service: Served) -> None:
    for host, status in HOSTS.items():
        sent = head("GET /livez HTTP/1.1", f"Host: {host}")
        assert (await exchange(open_service.port, sent)).status == status, host


@pytest.mark.parametrize("lines", [(), (HOST, "Host: other")])
async def test_c60_there_is_one_host(open_service: Served, lines: tuple[str, ...]) -> None:
    assert await refusal(open_service, head("GET /livez HTTP/1.1", *lines)) == (400, "bad_request")


async def test_c60_a_redirection_never_leads_to_the_host_that_was_named(
    open_service: Served,
) -> None:
    for path in ("/static/x", "/livez/", "//evil.example/", "/static/%2f%2fevil.example"):
        answer = await exchange(
            open_service.port, head(f"GET {path} HTTP/1.1", "Host: evil.example")
        )
        location = answer.headers.get("location", "/")
        assert location.startswith("/"), path
        assert not location.startswith("//"), path


async def test_c60_an_absolute_address_is_judged_by_its_path(served: Served) -> None:
    assert (await exchange(served.port, request("GET", "http://x/status"))).status == 401
    assert (await exchange(served.port, request("GET", "http://x/livez"))).status == 200
    assert (await exchange(served.port, request("GET", "http://x:y@z/status"))).status in (400, 401)


async def test_c61_many_ranges_of_a_picture_are_answered_with_the_whole(
    open_service: Served,
) -> None:
    await keep_job(open_service.services, [await keep(open_service.services, b"picture" * 1000)])
    ranges = "Range: bytes=" + ",".join(["0-0"] * 5000)
    started = time.process_time()
    answer = await exchange(open_service.port, request("GET", "/result/job-1/image", ranges))
    assert (answer.status, len(answer.body)) == (200, 7000)
    assert time.process_time() - started < 0.05
    more = "Range: bytes=" + ",".join(["0-0"] * 10_000)
    answer = await exchange(open_service.port, request("GET", "/result/job-1/image", more))
    assert answer.status == 431


async def test_c61_many_ranges_of_a_file_cost_little(open_service: Served) -> None:
    ranges = "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(0, 5000, 2))
    path = "/static-offline-docs/swagger-ui.css"
    gc.disable()  # the garbage of a thousand other tests is none of its costs
    try:
        started = time.process_time()
        answer = await exchange(open_service.port, request("GET", path, ranges))
        spent_s = time.process_time() - started
    finally:
        gc.enable()
    assert answer.status in (200, 206, 400, 416)
    assert spent_s < 0.2


SPOOFS = (
    "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https",
    "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1", "X-Original-URL: /livez",
    "X-Rewrite-URL: /livez", "X-HTTP-Method-Override: GET", "X-Method-Override: GET",
    "X-HTTP-Method: GET",
)  # fmt: skip


async def test_c62_s38_nobody_in_front_is_believed(served: Served) -> None:
    for spoof in SPOOFS:
        assert (await exchange(served.port, request("GET", "/status", spoof))).status == 401, spoof
        deleting = request("DELETE", "/livez", spoof, f"Authorization: {bearer('operator')}")
        assert (await exchange(served.port, deleting)).status == 405, spoof


async def test_c63_two_keys_are_one_too_many(served: Served) -> None:
    lines = [f"Authorization: {bearer('alice')}"] * 2
    answer = await exchange(served.port, request("GET", "/status", *lines))
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_c63_a_key_in_the_query_is_none_and_is_not_told(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    key = KEYS["alice"].decode()
    with caplog.at_level(logging.DEBUG):
        answer = await exchange(served.port, request("GET", f"/status?api_key={key}"))
    assert answer.status == 401
    assert key not in caplog.text
    assert key.encode() not in answer.body


async def test_c63_a_key_of_a_megabyte_is_too_large_for_a_head(served: Served) -> None:
    """Corrected: 431, because no header of that size is read to its end."""
    sent = request("GET", "/status", "Authorization: Bearer " + "a" * 1024 * 1024)
    assert await refusal(served, sent) == (431, "headers_too_large")


async def test_c63_a_key_with_space_behind_it_is_another_key(served: Served) -> None:
    sent = request("GET", "/status", f"Authorization: {bearer('alice')}   ")
    assert (await exchange(served.port, sent)).status == 401


async def test_c63_every_key_that_is_none_takes_as_long(served: Served) -> None:
    """Both are hashed and looked up by their hash; what is compared is compared in full."""

    async def ask(key: bytes) -> Answer:
        return await exchange(
            served.port, request("GET", "/status", f"Authorization: Bearer {key.decode()}")
        )

    near, far = KEYS["alice"][:-1] + b"x", b"cvy_live_" + b"z" * 43
    nearly, not_at_all = (await ask(near)), (await ask(far))
    assert nearly.status == not_at_all.status == 401
    assert {**nearly.headers, "date": ""} == {**not_at_all.headers, "date": ""}
