"""S16, S17, S19, S31, S33 to S36: what answers give away, and what browsers may make of them."""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from dispatcher.jobs import Batch, SentFile
from tests.dispatcher.api.raw_http import IMAGE, Answer, exchange, request, submission
from tests.dispatcher.api.serving import Served, serving
from tests.dispatcher.api.test_images import keep, keep_job
from tests.dispatcher.forms import CONTENT_TYPE, Part, form
from tests.dispatcher.waiting import until

FORM = f"Content-Type: {CONTENT_TYPE.decode()}"
HOSTILE_NAMES = (
    "../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "a\x00b.png", "<script>x</script>.png",
    "con.png", ".htaccess", "a\u202egnp.exe", "\x1b[31mred.png", "a;b|c`d`.png",
)  # fmt: skip
SECRET = "x-hostile-marker-7f3a"
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


async def get(served: Served, path: str, *lines: str) -> Answer:
    return await exchange(served.port, request("GET", path, *lines))


def names_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


async def keep_batch(served: Served, filename: str = "cat.png") -> str:
    """A batch whose one file has made a picture."""
    services = served.services
    output = await keep(services, b"\x89PNG made")
    job = await keep_job(services, [output], filename=filename)
    sent = await keep(services, b"\x89PNG sent")
    file = SentFile(job.id, filename, sent.digest, "image/png")
    await services.results.add_batch(Batch(id="batch-1", created_at=job.queued_at, files=(file,)))
    return "batch-1"


async def test_s16_a_clients_name_reaches_no_path_and_no_header_as_it_is(
    open_service: Served, tmp_path: Path
) -> None:
    for name in HOSTILE_NAMES:
        shown = name.replace("\x00", "%00")
        body = form(Part(filename=shown, data=IMAGE))
        sent = await exchange(open_service.port, request("POST", "/predict_async", FORM, body=body))
        if sent.status == 202:
            answer = await get(open_service, sent.json()["status_url"])
            assert answer.json()["filename"].isprintable(), name
    assert not names_below(tmp_path) & {"passwd", "boot.ini", ".htaccess", "con.png"}


async def test_s17_a_picture_is_nothing_but_a_picture(open_service: Served) -> None:
    batch_id = await keep_batch(open_service, "<b>.png")
    page = (await get(open_service, f"/static/{batch_id}/")).body.decode()
    made = page.split('href="made/')[1].partition('"')[0]
    for path in ("/result/job-1/image", f"/static/{batch_id}/made/{made}"):
        answer = await get(open_service, path)
        assert answer.status == 200, path
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["content-disposition"].isascii()
    download = await get(open_service, "/result/job-1/image?download=true")
    assert download.headers["content-disposition"].startswith("attachment;")


async def test_s19_pictures_go_when_their_retention_has_passed(tmp_path: Path) -> None:
    async with serving(tmp_path, "--result-retention-s", "0.2") as served:
        services = served.services
        collecting = asyncio.create_task(services.collector.run(services.results))
        try:
            await keep_job(services, [await keep(services, b"\x89PNG made")])
            ended_at = time.time()
            assert services.blobs.total_bytes()
            await until(lambda: time.time() - ended_at > 0.25)
            assert (await get(served, "/result/job-1")).status == 410
            await until(lambda: services.blobs.total_bytes() == 0)
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)


async def test_s31_no_error_tells_of_us_or_repeats_what_was_sent(
    open_service: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"{SECRET}.png"
    hostile = [
        request("GET", f"/{SECRET}"),
        request("GET", f"/result/{SECRET}"),
        request("GET", f"/result/{SECRET}/image/{SECRET}"),
        request("GET", f"/static/{SECRET}/made/{SECRET}"),
        request("GET", f"/results?status={SECRET}"),
        request("GET", f"/result/x?wait={SECRET}"),
        request("GET", f"/result/x/image?download={SECRET}"),
        request("GET", f"/pipeline/{SECRET}"),
        request("DELETE", f"/pipeline/{SECRET}"),
        request("POST", "/pipeline", "Content-Type: application/json", body=f'["{SECRET}'.encode()),
        request("POST", "/predict", FORM, body=form(Part(name=SECRET, filename=name, data=IMAGE))),
        request("POST", "/predict", FORM, body=SECRET.encode()),
        submission(body=SECRET.encode()),
        submission(path=f"/predict?pipeline={SECRET}"),
        submission(path=f"/predict?params={SECRET}"),
        submission(path=f"/predict?{SECRET}=1"),
        submission(path=f"/predict?webhook_url=http://{SECRET}/"),
        submission(path=f"/predict?priority={SECRET}"),
        submission(f"Content-Encoding: {SECRET}"),
        request("POST", "/predict", f"Content-Type: {SECRET}/x", body=b"x"),
        request("GET", "/livez", f"Host: {SECRET}"),
        f"{SECRET} / HTTP/1.1\r\n\r\n".encode(),
    ]
    with caplog.at_level(logging.DEBUG):
        for sent in hostile:
            answer = await exchange(open_service.port, sent)
            assert 400 <= answer.status < 500, sent[:80]
            text = answer.body.decode()
            assert answer.code, sent[:80]
            for leak in (SECRET, "Traceback", "site-packages", ".py", str(tmp_path), "127.0.0.1"):
                assert leak not in text, (leak, sent[:80])
    assert SECRET not in caplog.text


async def test_s31_our_own_failure_tells_nothing_either(
    open_service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError(f"{SECRET} at /secret/path")

    monkeypatch.setattr(open_service.services.intake, "submit", break_down)
    monkeypatch.setattr(open_service.services.results, "get", break_down)
    monkeypatch.setattr(open_service.services.pipelines, "all", break_down)
    for sent in (submission(), request("GET", "/result/x"), request("GET", "/status")):
        answer = await exchange(open_service.port, sent)
        assert (answer.status, answer.code) == (500, "internal_error")
        assert SECRET not in answer.body.decode()


async def test_s33_a_page_shows_names_and_runs_nothing(open_service: Served) -> None:
    batch_id = await keep_batch(open_service, "<script>alert(1)</script>.png")
    answer = await get(open_service, f"/static/{batch_id}/")
    assert b"<script" not in answer.body
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy


async def test_s33_the_page_of_the_documentation_runs_its_own_scripts_only(
    open_service: Served,
) -> None:
    answer = await get(open_service, "/docs")
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = policy.split("script-src ")[1].partition(";")[0]
    assert "unsafe-inline" not in scripts
    assert "sha256-" in scripts


LEADING_OUT = (
    "/static/../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static//etc/passwd",
    "/static/batch-1/made/../../../etc/passwd", "/static/batch-1/made/%2e%2e%2f%2e%2e%2fx",
    "/static/batch-1/made/cat.png%00", "/static1/batch-1/made/cat.png", "/static/batch-1/made/",
    "/static/batch-1//made/cat.png", "/static/batch-1/other/cat.png",
    "/static/batch-1/made/%2fetc%2fpasswd", "/static-offline-docs/../../../etc/passwd",
    "/static-offline-docs/%2e%2e/%2e%2e/core.py", "/static-offline-docs/..%2fcore.py",
    "/static-offline-docs//etc/passwd", "/static-offline-docs/%00",
    "/static-offline-docs/..%5ccore.py", "/static-offline-docs1/x",
)  # fmt: skip


async def test_s34_no_path_leads_out_of_what_is_served(open_service: Served) -> None:
    await keep_batch(open_service)
    for path in LEADING_OUT:
        answer = await get(open_service, path)
        assert (answer.status, answer.code) == (404, "not_found"), path


async def test_s35_no_page_of_another_site_may_read_an_answer(open_service: Served) -> None:
    for path in ("/status", "/result/x", "/livez", "/docs"):
        answer = await get(open_service, path, "Origin: https://evil.example")
        assert not [name for name in answer.headers if name.startswith("access-control")], path
    preflight = request(
        "OPTIONS", "/predict", "Origin: https://evil.example",
        "Access-Control-Request-Method: POST",
    )  # fmt: skip
    answer = await exchange(open_service.port, preflight)
    assert answer.status == 405
    assert "access-control-allow-origin" not in answer.headers


async def test_s36_every_answer_is_what_it_says_and_nothing_tells_what_we_are(
    open_service: Served,
) -> None:
    await keep_batch(open_service)
    paths = (
        "/livez", "/status", "/metrics", "/step-types", "/pipeline", "/results", "/result/job-1",
        "/result/x", "/nowhere", "/batch/batch-1", "/docs", "/openapi.json",
    )  # fmt: skip
    for path in paths:
        answer = await get(open_service, path, "Accept-Encoding: identity", "Connection: close")
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "server" not in answer.headers, path
        assert "x-powered-by" not in answer.headers, path
    assert (await get(open_service, "/status")).headers["content-security-policy"] == NO_PAGE
