from pathlib import Path

import pytest
from aiohttp import web

from load_tester.errors import UnreachableError
from load_tester.settings import TargetKind, TargetSettings
from load_tester.targets.expectations import create_checks
from load_tester.targets.opening import open_target
from tests.load_tester.engine.running import replay
from tests.load_tester.targets.serving import Handler, serve_routes


def at(*urls: str) -> TargetSettings:
    return TargetSettings(urls=urls, kind=TargetKind.REPLICA)


def answer_with(body: bytes, content_type: str) -> Handler:
    async def process(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type=content_type, headers={"X-Step-0-Time": "0.25"})

    return process


async def healthy(_: web.Request) -> web.Response:
    return web.Response()


async def test_a_picture_is_the_answer_to_its_upload(photos: Path) -> None:
    async with serve_routes({"POST /process": answer_with(b"png", "image/png")}) as url:
        run = await replay(at(url), photos, (5,), squeeze=0.1)
    assert run.counts.ok == 5
    assert run.counts.find_discrepancies() == []
    for record in run.records:
        assert record.steps_s == {"0": 0.25}
        assert (record.accepted_s, record.request_id, record.polls) == (None, None, 0)
        assert record.end_to_end_s is not None


async def test_pictures_and_labels_of_a_replica_are_checked(photos: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    golden.mkdir()
    (golden / "drum.jpg").write_bytes(b"png")
    (golden / "tank.png").write_bytes(b"another")
    checks = create_checks(TargetSettings(checks=(f"golden:{golden}",)), photos)
    async with serve_routes({"POST /process": answer_with(b"png", "image/png")}) as url:
        run = await replay(at(url), photos, (3,), squeeze=0.1, checks=checks)
    assert run.reasons == {"ok:None": 2, "wrong:not_golden": 1}
    document = b'{"predictions": ["drum"], "inference_time": 0.5}'
    async with serve_routes({"POST /process": answer_with(document, "application/json")}) as url:
        run = await replay(at(url), photos, (3,), squeeze=0.1)
    assert {(r.top_label, r.processing_time_s) for r in run.records} == {("drum", 0.5)}


async def test_several_targets_are_reachable_only_when_each_is() -> None:
    async with serve_routes({"GET /health": healthy}) as url:
        async with open_target(at(url, "http://127.0.0.1:1")) as target:
            assert target.names == (url, "http://127.0.0.1:1")
            with pytest.raises(UnreachableError, match="Connection refused"):
                await target.check_reachable()
        async with open_target(at(url)) as target:
            await target.check_reachable()
            assert target.uploads == 0
