"""The page as it is sent: whole, compressed or not at all, and never more than its own files."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from dispatcher.api.problems import answer_request_error
from dispatcher.errors import RequestError
from dispatcher.web.page import POLICY, PageFile, accepts_gzip, load_page, page_router

PLAIN = {"Accept-Encoding": "identity"}
SCRIPT = "live-AbCd_123.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small page."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Small</title>")
    (tmp_path / SCRIPT).write_text("export const small = 1;" * 50)
    (tmp_path / "SHA256SUMS").write_text("not for browsers")
    return tmp_path


def client_of(files: dict[str, PageFile]) -> httpx.AsyncClient:
    """Return a client of nothing but a page."""
    app = FastAPI()
    app.add_exception_handler(RequestError, answer_request_error)
    app.include_router(page_router(files))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


@pytest.fixture
def small(folder: Path) -> httpx.AsyncClient:
    """A client of the small page."""
    return client_of(load_page(folder))


async def test_the_page_is_html_and_is_asked_for_again_each_time(small: httpx.AsyncClient) -> None:
    response = await small.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.text.startswith("<!doctype html>")


async def test_a_file_named_by_its_content_is_kept_for_ever(small: httpx.AsyncClient) -> None:
    response = await small.get(f"/page/{SCRIPT}")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_what_is_known_already_is_not_sent_again(small: httpx.AsyncClient) -> None:
    for coding in ("identity", "gzip"):
        first = await small.get("/", headers={"Accept-Encoding": coding})
        headers = {"Accept-Encoding": coding, "If-None-Match": first.headers["etag"]}
        again = await small.get("/", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = await small.get("/", headers={**headers, "If-None-Match": '"other"'})
        assert other.status_code == 200


async def test_whoever_takes_gzip_gets_less(small: httpx.AsyncClient) -> None:
    plain = await small.get(f"/page/{SCRIPT}", headers=PLAIN)
    assert "content-encoding" not in plain.headers
    compressed = await small.get(f"/page/{SCRIPT}", headers={"Accept-Encoding": "br, gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert int(compressed.headers["content-length"]) < len(plain.content) == len(compressed.content)
    assert compressed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.001", True),
        ("deflate", False),
        ("x-gzipped", False),
        ("", False),
    ],
)
def test_gzip_is_sent_only_where_it_is_named(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected


@pytest.mark.parametrize(
    "path", ["/page/", "/page/SHA256SUMS", "/page/..%2fpage.py", "/page/%2e%2e/page.py", "/page/x"]
)
async def test_nothing_but_the_files_of_the_page_is_there(
    small: httpx.AsyncClient, path: str
) -> None:
    assert (await small.get(path)).status_code == 404


async def test_a_page_that_is_replaced_while_the_service_runs_stays_whole(
    small: httpx.AsyncClient, folder: Path
) -> None:
    (folder / SCRIPT).unlink()
    assert (await small.get(f"/page/{SCRIPT}")).status_code == 200


def test_a_service_without_its_page_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"setup\.sh page"):
        load_page(tmp_path)


async def test_the_page_may_run_and_load_only_what_is_its_own() -> None:
    http = client_of(load_page())
    response = await http.get("/")
    assert response.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "data:" not in POLICY
    assert "<style" not in response.text
    assert not re.findall(r"<script(?![^>]* src=)", response.text)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', response.text)
    for address in set(addresses) - {"/docs"}:
        assert address.startswith("/page/")
        part = await http.get(address, headers={"Accept-Encoding": "gzip"})
        assert part.status_code == 200
        assert part.headers["x-content-type-options"] == "nosniff"
