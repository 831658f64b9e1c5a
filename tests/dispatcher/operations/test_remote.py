"""A service that is asked over HTTP, and everything else that may be behind an address."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from dispatcher.operations.remote import remote_queue
from dispatcher.operations.target import NobodyThereError, OperationError
from tests.dispatcher.api.serving import KEYS, Served, serving, write_keys
from tests.dispatcher.records import make_job


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    keys = write_keys(tmp_path / "keys.json")
    async with serving(tmp_path / "data", "--queue", "memory", "--api-keys-file", str(keys)) as up:
        yield up


def url_of(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}"


async def test_a_service_does_what_an_operator_orders(served: Served) -> None:
    job = make_job("a")
    await served.services.results.add(job)
    await served.services.queue.put([job])
    async with remote_queue(url_of(served) + "/", api_key=KEYS["operator"].decode()) as target:
        assert await target.is_there()
        assert target.name == f"the service at {url_of(served)}"
        state = await target.state()
        assert (state.waiting, state.lanes[0].lane) == (1, "default")
        assert (await target.purge({"before": state.at})).purged == 1
        assert (await target.requeue({})).next is None


@pytest.mark.parametrize(("owner", "code"), [("reader", "forbidden"), (None, "unauthorized")])
async def test_others_are_told_why_they_may_not(
    served: Served, owner: str | None, code: str
) -> None:
    key = None if owner is None else KEYS[owner].decode()
    async with remote_queue(url_of(served), api_key=key) as target:
        with pytest.raises(OperationError, match=code) as caught:
            await target.state()
    assert caught.value.code == code


async def test_where_nobody_listens_nobody_is_there() -> None:
    async with remote_queue("http://127.0.0.1:1", api_key=None) as target:
        assert not await target.is_there()
        with pytest.raises(NobodyThereError):
            await target.state()


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://"])
async def test_what_is_no_address_is_told(url: str) -> None:
    async with remote_queue(url, api_key=None) as target:
        with pytest.raises(OperationError):
            await target.state()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, "<html>\x1b[31m", "http_404"),
        (200, "<html>", "makes no sense"),
        (200, "{}", "makes no sense"),
        (503, '{"code": "draining", "detail": "It\\u001b[2J ends."}', r"draining: It\[2J ends."),
        (302, "", "makes no sense"),
    ],
)
async def test_another_service_is_no_conveyor(status: int, body: str, said: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Retry-After": "7"})

    app = web.Application()
    app.router.add_get("/queue", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with remote_queue(url, api_key=None) as target:
            with pytest.raises(OperationError, match=said) as caught:
                await target.state()
        assert str(caught.value).isprintable()
    finally:
        await runner.cleanup()
