import asyncio
from pathlib import Path

from aiohttp import web

from load_tester.images import find_images
from load_tester.record import Outcome
from load_tester.settings import TargetSettings
from load_tester.targets.expectations import create_checks
from tests.load_tester.engine.running import replay
from tests.load_tester.scripted_service import Fate, serve
from tests.load_tester.targets.serving import serve_routes


async def test_the_bytes_arrive_with_type_and_name_and_the_choices_in_the_query(
    photos: Path,
) -> None:
    (photos / "large.webp").write_bytes(b"x" * 3_000_000)
    sizes = {path.name: path.stat().st_size for path in find_images(photos)}
    async with serve() as service:
        chosen = TargetSettings(
            urls=(service.url,), pipeline="a b", use_cache=False, params='{"s0": {"k": 1}}'
        )
        await replay(chosen, photos, (4,), squeeze=0.1)
        await replay(TargetSettings(urls=(service.url,), multipart=True), photos, (4,), squeeze=0.1)
    raw, forms = service.submissions[:4], service.submissions[4:]
    for sent in (raw, forms):
        assert {item.filename: item.size_bytes for item in sent} == sizes
    assert {item.content_type for item in raw} == {"image/jpeg", "image/png", "image/webp"}
    assert raw[0].query == {"pipeline": "a b", "cache": "false", "params": '{"s0": {"k": 1}}'}
    assert {item.content_type for item in forms} == {"multipart/form-data"}
    assert forms[0].query == {}


async def test_labels_that_differ_are_an_error_only_where_they_are_checked(photos: Path) -> None:
    (photos / "labels.tsv").write_text("file\tlabel\ndrum.jpg\tdrum\ntank.png\tgoldfinch\n")
    async with serve() as service:  # which takes everything for a goldfinch
        settings = TargetSettings(urls=(service.url,))
        unchecked = await replay(settings, photos, (6,), squeeze=0.1)
        checks = create_checks(TargetSettings(checks=("labels",)), photos)
        checked = await replay(settings, photos, (6,), squeeze=0.1, checks=checks)
    assert unchecked.counts.ok == 6
    assert checked.reasons == {"ok:None": 4, "wrong:wrong_label": 2}
    wrong = checked.only(Outcome.WRONG)
    assert {record.file for record in wrong} == {"drum.jpg"}
    assert {record.top_label for record in wrong} == {"goldfinch"}
    assert all(record.seen_s is not None for record in wrong)


async def test_a_picture_is_fetched_only_for_a_check_and_costs_no_latency(
    photos: Path, tmp_path: Path
) -> None:
    fetched: list[str] = []

    async def submit(_: web.Request) -> web.Response:
        return web.json_response({"request_id": "a/b"}, status=202)

    async def result(_: web.Request) -> web.Response:
        document = {"url": "http://127.0.0.1:1/elsewhere", "width": 1}
        return web.json_response({"request_id": "a/b", "status": "completed", "result": document})

    async def picture(request: web.Request) -> web.Response:
        fetched.append(request.path)
        await asyncio.sleep(0.3)
        return web.Response(body=b"png", content_type="image/png")

    golden = tmp_path / "golden.json"
    routes = {
        "POST /predict_async": submit,
        "GET /result/{id}": result,
        "GET /result/{id}/image": picture,
    }
    async with serve_routes(routes) as url:
        settings = TargetSettings(urls=(url,))
        unchecked = await replay(settings, photos, (1,), squeeze=0.1)
        assert fetched == []
        keeping = create_checks(TargetSettings(write_golden=golden), photos)
        # The picture takes longer than the image may.
        checked = await replay(settings, photos, (1,), squeeze=0.1, checks=keeping, timeout_s=0.2)
    assert unchecked.counts.ok == checked.counts.ok == 1
    assert len(fetched) == 1
    assert (checked.records[0].end_to_end_s or 1.0) < 0.2
    keeping.finish()
    assert "sha256" in golden.read_text()


async def test_endpoints_are_taken_in_turns_even_when_one_is_slow(photos: Path) -> None:
    async with serve(lambda _: Fate(after_s=None)) as slow, serve() as fast:
        settings = TargetSettings(urls=(slow.url, fast.url))
        run = await replay(settings, photos, (20,), squeeze=0.1, timeout_s=3.0)
    assert run.counts.find_discrepancies() == []
    assert [record.target for record in run.records] == [slow.url, fast.url] * 10
    assert {r.target for r in run.only(Outcome.TIMED_OUT)} == {slow.url}
    assert {r.target for r in run.only(Outcome.OK)} == {fast.url}
    assert len(slow.submissions) == len(fast.submissions) == 10


async def test_the_same_name_of_a_ticket_at_another_endpoint_is_no_error(photos: Path) -> None:
    async with serve() as one, serve() as other:
        run = await replay(TargetSettings(urls=(one.url, other.url)), photos, (4,), squeeze=0.1)
    assert run.counts.ok == 4
    assert (
        sorted(record.request_id or "" for record in run.records) == ["job-0"] * 2 + ["job-1"] * 2
    )
