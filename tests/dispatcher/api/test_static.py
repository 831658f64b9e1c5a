"""A batch as it can be browsed: the page, every picture, and nothing else."""

import io
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin
from zipfile import ZipFile

import httpx
import pytest

from dispatcher.wiring import Services
from tests.dispatcher.api.batching import end_next, file, open_services, send
from tests.dispatcher.images import EVERY_KIND, gif, png

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>.png'


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(tmp_path) as opened:
        yield opened


class Links(HTMLParser):
    """The page as a browser sees it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.urls += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


# The page


async def test_the_page_lists_what_was_sent_and_what_is_made(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await send(http, file("a.png", seed=1), file("b.png", seed=2), file("c", data=b""))
    await end_next(services, "image/jpeg", "image/jpeg", is_split=True)
    response = await http.get(ticket["static_url"])
    assert response.status_code == 200
    links = Links(response.text)
    assert links.urls[2:] == [
        "sent/a.png",
        "sent/b.png",
        "made/a-piece-01.jpg",
        "made/a-piece-02.jpg",
    ]
    for url in links.urls:
        assert (await http.get(urljoin(ticket["static_url"], url))).status_code == 200
    assert "1 queued, 1 completed, 1 failed" in links.text
    assert "8 x 8" in links.text
    assert "4 x 5" in links.text


async def test_the_page_runs_and_loads_nothing(http: httpx.AsyncClient) -> None:
    ticket = await send(http, file("a.png"))
    response = await http.get(ticket["static_url"])
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert not Links(response.text).tags & {"script", "img", "link", "iframe", "form", "object"}
    assert "color-scheme: light dark" in response.text


async def test_the_name_of_a_file_is_no_markup(http: httpx.AsyncClient, services: Services) -> None:
    ticket = await send(http, file(EVIL.replace('"', "%22")), file("a&b <i>.png", seed=1))
    await end_next(services)
    response = await http.get(ticket["static_url"])
    links = Links(response.text)
    assert not links.tags & {"script", "img", "i"}
    for url in links.urls:
        assert (await http.get(urljoin(ticket["static_url"], url))).status_code == 200


async def test_the_page_without_its_slash_is_found(http: httpx.AsyncClient) -> None:
    ticket = await send(http, file())
    response = await http.get(ticket["static_url"].rstrip("/"), follow_redirects=True)
    assert response.url.path == ticket["static_url"]
    assert response.status_code == 200


# Pictures


@pytest.mark.parametrize("media_type", EVERY_KIND)
async def test_a_picture_sent_comes_back_as_it_was(
    http: httpx.AsyncClient, media_type: str
) -> None:
    data = EVERY_KIND[media_type]
    ticket = await send(http, file("köala.x", data=data))
    (_, _, url) = Links((await http.get(ticket["static_url"])).text).urls
    response = await http.get(urljoin(ticket["static_url"], url))
    assert response.content == data
    assert response.headers["content-type"] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"].startswith("inline; filename*=UTF-8''k%C3%B6")
    assert "script" not in response.headers["content-security-policy"]


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
async def test_a_picture_made_is_of_its_own_format(
    http: httpx.AsyncClient, services: Services, media_type: str
) -> None:
    ticket = await send(http, file("koala.png"))
    ended = await end_next(services, media_type)
    name = {"image/jpeg": "koala.jpg", "image/png": "koala.png", "image/webp": "koala.webp"}
    response = await http.get(f"{ticket['static_url']}made/{name[media_type]}")
    assert response.content == await services.blobs.get(ended.outputs[0].digest)
    assert response.headers["content-type"] == media_type


async def test_files_of_the_same_name_never_collide(
    http: httpx.AsyncClient, services: Services
) -> None:
    sent = [png(tail=b"first"), png(tail=b"second"), gif(), png(tail=b"fourth")]
    names = ["koala.png", "koala.png", "KOALA.gif", "koala-piece-01.png"]
    files = [file(name, data=data) for name, data in zip(names, sent, strict=True)]
    ticket = await send(http, *files)
    made = []
    for _ in sent:
        ended = await end_next(services, "image/jpeg", "image/jpeg", is_split=True)
        made += [await services.blobs.get(output.digest) for output in ended.outputs]
    urls = Links((await http.get(ticket["static_url"])).text).urls[2:]
    pictures = [(await http.get(urljoin(ticket["static_url"], url))).content for url in urls]
    assert pictures == [*sent, *made]
    assert len({unquote(url).casefold() for url in urls}) == len(urls) == 12


async def test_a_polyglot_is_never_served_as_a_page(http: httpx.AsyncClient) -> None:
    data = gif() + b"<html><script>alert(1)</script>"
    ticket = await send(http, file("page.html", data=data))
    response = await http.get(f"{ticket['static_url']}sent/page.html.gif")
    assert response.headers["content-type"] == "image/gif"
    assert "sandbox" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "sent/other.png", "sent/KOALA.png", "sent/koala", "sent/koala.jpg", "sent/", "sent",
        "made/koala.png", "other/koala.png", "koala.png", "sent/koala.png/x", "sent/x%2fkoala.png",
        "sent/..%2f..%2fetc%2fpasswd", "sent/%2e%2e", "made/%00", "sent/koala.png%00",
        "sent/koala-piece-01.png", "made/" + "x" * 5000, "..%2f..%2flock", "sent/%ff",
        "sent\\koala.png", "sent/bad.png",
    ],
)  # fmt: skip
async def test_nothing_else_is_found(http: httpx.AsyncClient, path: str) -> None:
    ticket = await send(http, file("koala.png"), file("bad.png", data=b"text"))
    response = await http.get(f"{ticket['static_url']}{path}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/static/no-such/", "/static/x/sent/a.png", "/batch/x/zip"])
async def test_nothing_is_found_of_an_unknown_batch(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_picture_whose_bytes_are_gone_is_not_found(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await send(http, file("koala.png"))
    ended = await end_next(services)
    for _ in range(2):  # the job's hold and the cache's
        await services.blobs.release(ended.outputs[0].digest)
    assert (await http.get(f"{ticket['static_url']}made/koala.png")).status_code == 404


async def test_ranges_are_not_served_however_many(http: httpx.AsyncClient) -> None:
    ticket = await send(http, file("koala.png"))
    url = f"{ticket['static_url']}sent/koala.png"
    ranges = ",".join(f"{n}-{n}" for n in range(10_000))
    response = await http.get(url, headers={"Range": f"bytes={ranges}"})
    assert response.status_code == 200
    assert response.headers["accept-ranges"] == "none"
    assert response.content == file("koala.png").data


# The zip


async def test_the_zip_has_all_pictures_under_their_names(
    http: httpx.AsyncClient, services: Services
) -> None:
    files = [file("köala.png", seed=1), file("köala.png", seed=2), file("x", data=b"text")]
    ticket = await send(http, *files)
    ended = await end_next(services, "image/jpeg")
    response = await http.get(ticket["zip_url"])
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == (
        f'attachment; filename="{ticket["batch_id"]}.zip"'
    )
    with ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "sent/köala.png": files[0].data,
            "sent/köala-2.png": files[1].data,
            "made/köala.jpg": await services.blobs.get(ended.outputs[0].digest),
        }


async def test_a_picture_that_is_gone_is_left_out_of_the_zip(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await send(http, file("koala.png"))
    ended = await end_next(services)
    for _ in range(2):
        await services.blobs.release(ended.outputs[0].digest)
    response = await http.get(ticket["zip_url"])
    with ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == ["sent/koala.png"]


async def test_a_batch_without_any_image_is_an_empty_zip(http: httpx.AsyncClient) -> None:
    ticket = await send(http, file("x", data=b"text"))
    response = await http.get(ticket["zip_url"])
    with ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == []
