"""S01 to S06: what is reached without a key, and how keys are read."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.routing import BaseRoute, Mount, Route

from dispatcher.api.guards.guard import PUBLIC_PATHS, is_public
from dispatcher.app import create_app
from dispatcher.settings import load_settings
from dispatcher.wiring import build_services
from tests.dispatcher.api.raw_http import IMAGE, connect, exchange, request, submission
from tests.dispatcher.api.serving import KEYS, Served, bearer, serving, write_keys

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MIB = 1024 * 1024
OTHER_SPELLINGS = (
    "//status", "/%73tatus", "/status/", "/./status", "/x/../status", "/status%00", "/STATUS",
    "/status;x", "/livez/../status", "/livez/..;/status", "/livez%2f..%2fstatus", "/livez/",
    "//livez", "/LIVEZ", "/livez%00", "/livez;/status", "/status?/livez", "/livez%3f/status",
    "http://localhost/status", "/%2e%2e/status", "/result/x/../../status", "/static/../status",
)  # fmt: skip
NO_KEYS = (
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer wrong",
    b"Bearer \xff\xfe",
    "Bearer ключ".encode(),
    b"Basic " + KEYS["alice"],
    KEYS["alice"],
    b"bearer " + KEYS["alice"],
    b"Bearer  " + KEYS["alice"],
    b"Bearer " + KEYS["alice"] + b", Bearer " + KEYS["bob"],
    b"Bearer " + KEYS["alice"][:-1],
    b"Bearer " + KEYS["alice"] + b"a",
    b"Bearer " + b"a" * 20_000,
)


def paths_of(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """The paths of all routes, of those that others bring, too."""
    for route in routes:
        if isinstance(route, Route):
            yield route.path.replace("{", "").replace("}", "")
        elif isinstance(route, Mount):
            yield f"{route.path}/x"
        else:
            yield from paths_of(cast(Any, route).original_router.routes)


def all_paths() -> list[str]:
    app = cast(Any, create_app(build_services(load_settings(["--queue", "memory"]))).app)
    return sorted(set(paths_of(app.routes)))


async def test_s01_no_route_is_open_but_the_probes_and_the_page(served: Served) -> None:
    for path in all_paths():
        async with connect(served.port) as wire:
            for method in METHODS:
                wire.send(request(method, path))
                answer = await wire.answer(to_head=method == "HEAD")
                is_open = is_public(path) and method in ("GET", "HEAD")
                expected = (200, 404, 405) if is_open else (401,)
                assert answer.status in expected, (method, path)
                assert is_open or answer.headers["www-authenticate"].startswith("Bearer")


def test_s01_the_probes_and_the_files_of_the_page_are_all_that_is_public() -> None:
    assert {"/health", "/livez", "/readyz"} == PUBLIC_PATHS
    assert [path for path in all_paths() if is_public(path)] == [
        *("/", "/health", "/livez", "/page/name", "/readyz"),
    ]


async def test_s02_another_spelling_of_a_path_opens_nothing(served: Served) -> None:
    for path in OTHER_SPELLINGS:
        answer = await exchange(served.port, request("GET", path))
        assert answer.status in (400, 401), path


@pytest.mark.parametrize("path", ["/page/../status", "/page/%2e%2e/status", "/page/..%2fstatus"])
async def test_s02_no_way_leads_from_the_page_to_anything_else(served: Served, path: str) -> None:
    assert (await exchange(served.port, request("GET", path))).status in (400, 404)


async def test_s02_what_stands_behind_a_hash_is_no_part_of_the_path(served: Served) -> None:
    answer = await exchange(served.port, request("GET", "/livez#/../status"))
    assert answer.json() == {"status": "alive"}


async def test_s03_documentation_and_figures_need_a_key(served: Served) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/status"):
        assert (await exchange(served.port, request("GET", path))).status == 401, path
        with_key = request("GET", path, f"Authorization: {bearer('reader')}")
        expected = 404 if path == "/redoc" else 200
        assert (await exchange(served.port, with_key)).status == expected, path


async def test_s04_of_a_large_body_without_a_key_next_to_nothing_is_read(served: Served) -> None:
    async with connect(served.port) as wire:
        wire.send(
            b"POST /predict_async HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
            b"Content-Length: 20971520\r\n\r\n"
        )
        (connection,) = served.connections()
        answer = await wire.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        wire.send(b"x" * (20 * MIB))
        assert await wire.is_closed()
        assert connection.body_bytes <= 64 * 1024


async def test_s04_a_body_that_comes_with_its_head_is_read_no_further(served: Served) -> None:
    """What the kernel hands over together with the head, 256 KB at most, was read by then."""
    async with connect(served.port) as wire:
        wire.send(submission(body=b"x" * (20 * MIB)))
        answer = await wire.answer()
        (connection,) = served.connections()
        assert answer.status == 401
        assert await wire.is_closed()
        assert connection.body_bytes <= 256 * 1024


async def test_s05_a_revoked_key_stops_working_while_the_service_runs(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json")
    async with serving(tmp_path, keys=keys) as served:
        asked = request("GET", "/status", f"Authorization: {bearer('alice')}")
        assert (await exchange(served.port, asked)).status == 200
        write_keys(tmp_path / "new.json", "bob").replace(keys)
        async with connect(served.port) as wire, asyncio.timeout(5):
            status = 200
            while status == 200:
                await asyncio.sleep(0.02)
                wire.send(asked)
                status = (await wire.answer(within_s=5)).status
        assert status == 401


async def test_s06_what_is_no_key_is_answered_with_401(served: Served) -> None:
    for value in NO_KEYS:
        head = b"GET /status HTTP/1.1\r\nHost: a\r\nAuthorization: " + value + b"\r\n\r\n"
        answer = await exchange(served.port, head)
        assert (answer.status, answer.code) == (401, "unauthorized"), value[:40]
        assert answer.headers["www-authenticate"] == 'Bearer realm="conveyor"'


async def test_a_good_key_lets_an_image_in(served: Served) -> None:
    sent = submission(f"Authorization: {bearer('sender')}")
    assert (await exchange(served.port, sent)).status == 202
    assert served.services.queue.depth() == 1


async def test_an_image_without_a_key_leaves_nothing(served: Served) -> None:
    assert (await exchange(served.port, submission(body=IMAGE))).status == 401
    assert served.is_untouched()
