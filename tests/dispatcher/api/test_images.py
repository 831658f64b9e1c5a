"""The pictures that a job made, through the whole application."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from dispatcher.blobs.base import BlobCorruptError, BlobMissingError
from dispatcher.jobs import Job, Output
from dispatcher.runs import StageRun
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.images import png
from tests.dispatcher.records import completed, make_job

PICTURE = b"\x89PNG and so on"
RUNS = (
    StageRun("resize", "resize", 0.25, "http://127.0.0.1:5001", attempts=1),
    StageRun("1", "blur", 1.5, "http://127.0.0.1:5001", attempts=1),
)


async def keep(services: Services, body: bytes, **changes: Any) -> Output:
    """Put a picture as an executor does."""
    digest = hashlib.sha256(body).hexdigest()
    await services.blobs.put(digest, body)
    output = Output(digest, "image/png", width=4, height=3, data={})
    return replace(output, **changes)


async def keep_job(services: Services, outputs: Sequence[Output], **changes: Any) -> Job:
    """Keep a job that ended with these pictures."""
    job = completed(make_job(**changes), result=None, outputs=tuple(outputs), stages=RUNS)
    await services.results.add(job)
    return job


async def keep_split(services: Services, count: int = 3) -> Job:
    return await keep_job(
        services,
        [await keep(services, b"piece %d" % number, piece=number) for number in range(count)],
    )


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, check(response).json()["code"]


# One picture


async def test_a_picture_is_served_as_what_it_is(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_job(services, [await keep(services, PICTURE, media_type="image/webp")])
    response = check(await http.get("/result/job-1/image"))
    assert (response.status_code, response.content) == (200, PICTURE)
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["content-length"] == str(len(PICTURE))


async def test_no_browser_takes_a_picture_for_anything_else(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_job(services, [await keep(services, b"<script>alert(1)</script>")])
    headers = (await http.get("/result/job-1/image")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cache-control"].startswith("private")


async def test_a_picture_comes_with_the_time_of_every_step(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_job(services, [await keep(services, PICTURE)])
    headers = (await http.get("/result/job-1/image")).headers
    assert headers["x-step-resize-time"] == "0.250000"
    assert headers["x-step-1-time"] == "1.500000"


@pytest.mark.parametrize(("query", "kind"), [("", "inline"), ("?download=true", "attachment")])
async def test_a_picture_is_shown_or_saved_under_the_name_of_the_file_that_was_sent(
    http: httpx.AsyncClient, services: Services, query: str, kind: str
) -> None:
    output = await keep(services, PICTURE, media_type="image/jpeg")
    await keep_job(services, [output], filename="my koala.png")
    response = check(await http.get(f"/result/job-1/image{query}"))
    expected = f"{kind}; filename*=UTF-8''my%20koala.jpg"
    assert response.headers["content-disposition"] == expected


@pytest.mark.parametrize(
    "filename",
    ["größe.png", 'a"; x="b.png', "a/../../b.png", "a\r\nset-cookie: b=c", "🐨" * 200, "", "."],
)
async def test_no_file_name_breaks_a_header(
    http: httpx.AsyncClient, services: Services, filename: str
) -> None:
    await keep_job(services, [await keep(services, PICTURE)], filename=filename)
    response = check(await http.get("/result/job-1/image?download=true"))
    assert response.status_code == 200
    name = response.headers["content-disposition"].removeprefix("attachment; filename*=UTF-8''")
    assert name.isascii()
    assert not set(name) & set('\r\n";/ ')
    assert name.endswith(".png")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("download", ["maybe", "", "2"])
async def test_a_flag_that_is_none_is_refused(
    http: httpx.AsyncClient, services: Services, download: str
) -> None:
    await keep_job(services, [await keep(services, PICTURE)])
    response = await http.get("/result/job-1/image", params={"download": download})
    assert code_of(response) == (422, "invalid_value")


# Several pictures


async def test_every_piece_of_a_split_is_served_by_its_number(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_split(services)
    for number in range(3):
        response = check(await http.get(f"/result/job-1/image/{number}?download=true"))
        assert response.content == b"piece %d" % number
        name = response.headers["content-disposition"]
        assert name == f"attachment; filename*=UTF-8''koala-0{number}.png"


async def test_without_a_number_the_first_piece_is_served(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_split(services)
    assert (await http.get("/result/job-1/image")).content == b"piece 0"


async def test_the_addresses_that_a_result_tells_lead_to_its_pictures(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_split(services)
    document = check(await http.get("/result/job-1")).json()
    assert len(document["result"]["outputs"]) == 3
    for number, output in enumerate(document["result"]["outputs"]):
        for address, kind in (("url", "inline"), ("download_url", "attachment")):
            response = check(await http.get(output[address]))
            assert response.content == b"piece %d" % number
            assert response.headers["content-disposition"].startswith(kind)
            assert response.headers["content-disposition"].endswith(output["filename"])
            assert response.headers["content-type"] == output["content_type"]


async def test_the_address_that_a_result_of_one_picture_tells_leads_to_it(
    http: httpx.AsyncClient, services: Services
) -> None:
    await keep_job(services, [await keep(services, PICTURE)])
    document = check(await http.get("/result/job-1")).json()
    for address in ("url", "download_url"):
        assert check(await http.get(document["result"][address])).content == PICTURE


# What is not there


@pytest.mark.parametrize(
    "piece",
    ["3", "99", "999999", "9" * 5000, "-1", "1.0", "+1", "one", "٣", "²", "0x0", "%00", "1 "],
)
async def test_a_piece_that_is_not_there_is_not_found(
    http: httpx.AsyncClient, services: Services, piece: str
) -> None:
    await keep_split(services)
    assert code_of(await http.get(f"/result/job-1/image/{piece}")) == (404, "not_found")


@pytest.mark.parametrize("path", ["image", "image/0"])
async def test_of_a_job_that_nobody_knows_there_is_no_picture(
    http: httpx.AsyncClient, path: str
) -> None:
    assert code_of(await http.get(f"/result/never-seen/{path}")) == (404, "not_found")


@pytest.mark.parametrize("path", ["image", "image/0"])
async def test_of_a_job_that_gives_data_there_is_no_picture(
    http: httpx.AsyncClient, services: Services, path: str
) -> None:
    await services.results.add(completed(make_job()))
    response = await http.get(f"/result/job-1/{path}")
    assert code_of(response) == (404, "not_found")
    assert response.json()["detail"] == "The job has no such picture."


async def test_while_a_job_runs_there_is_no_picture_yet(
    http: httpx.AsyncClient, services: Services
) -> None:
    ticket = await http.post("/predict_async", content=png(), headers={"content-type": "image/png"})
    response = await http.get(f"{ticket.json()['status_url']}/image")
    assert code_of(response) == (404, "not_found")
    assert response.json()["detail"] == "The job has not ended yet."


async def test_a_picture_that_is_no_longer_kept_is_gone(
    http: httpx.AsyncClient, services: Services
) -> None:
    job = await keep_job(services, [await keep(services, PICTURE)])
    await services.blobs.release(job.outputs[0].digest)
    assert code_of(await http.get("/result/job-1/image")) == (410, "gone")


async def test_a_picture_that_is_damaged_is_gone(
    http: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(digest: str) -> bytes:
        raise BlobCorruptError(digest)

    await keep_job(services, [await keep(services, PICTURE)])
    monkeypatch.setattr(services.blobs, "get", fail)
    assert code_of(await http.get("/result/job-1/image")) == (410, "gone")


async def test_the_picture_of_a_job_that_is_no_longer_kept_is_gone(
    http: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep_job(services, [await keep(services, PICTURE)])
    later = time.time() + services.settings.result_retention_s + 1
    monkeypatch.setattr("time.time", lambda: later)
    assert code_of(await http.get("/result/job-1/image")) == (410, "gone")


async def test_fetching_a_picture_changes_nothing_about_who_holds_it(
    http: httpx.AsyncClient, services: Services
) -> None:
    job = await keep_job(services, [await keep(services, PICTURE)])
    for _ in range(3):
        await http.get("/result/job-1/image")
    await services.blobs.release(job.outputs[0].digest)
    with pytest.raises(BlobMissingError):
        await services.blobs.get(job.outputs[0].digest)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_picture_can_only_be_fetched(
    http: httpx.AsyncClient, services: Services, method: str
) -> None:
    await keep_job(services, [await keep(services, PICTURE)])
    response = await http.request(method, "/result/job-1/image")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
