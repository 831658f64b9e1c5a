"""The view "Results": found, opened with all its history, repeated, cancelled, dropped."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.end_to_end.service import Service, distinct, photo
from tests.page.browsing import (
    narrow_overflow_px,
    open_view,
    overflow_px,
    take_pictures,
    violations_everywhere,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = {"type": "deblur", "params": {"iterations": 100, "sigma": 10}}


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The API; no failed job is kept before a test."""
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as opened:
        (await opened.post("/queue/purge", json={"what": "failed"})).raise_for_status()
        yield opened


async def submit(client: httpx.AsyncClient, name: str, data: bytes) -> str:
    """Send a picture to the default pipeline, wait for its end and return the job's id."""
    headers = {"Content-Type": "image/jpeg", "X-Filename": name}
    answer = await client.post("/predict_async", content=data, headers=headers)
    job_id: str = answer.raise_for_status().json()["request_id"]
    await client.get(f"/result/{job_id}", params={"wait": 30})
    return job_id


async def submit_slow(client: httpx.AsyncClient, count: int) -> list[str]:
    """Send pictures that keep the only replica busy; return the ids of the jobs."""
    actions = json.dumps({"operations": [SLOW]})
    files = [
        ("files", (f"slow-{number}.jpg", distinct(photo(), 8000 + number), "image/jpeg"))
        for number in range(count)
    ]
    answer = await client.post("/process", data={"actions": actions}, files=files)
    return [each["request_id"] for each in answer.raise_for_status().json()["requests"]]


def broken(number: int) -> bytes:
    """Return half a photo, which is accepted and then fails."""
    data = photo()
    return distinct(data[: len(data) // 2], number)


async def read(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get(f"/result/{job_id}")).json()
    return document


async def test_jobs_are_listed_searched_and_filtered_by_state(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    await submit(client, "robin.jpg", distinct(photo(), 9001))
    failed = await submit(client, "half.jpg", broken(9002))
    await open_view(page, service, "#/results")
    rows = page.get_by_role("row")
    await expect(rows.filter(has_text="robin.jpg")).to_contain_text("completed")
    await expect(rows.filter(has_text="half.jpg")).to_contain_text("image_truncated")
    search = page.get_by_label("Search by id")
    await search.fill("ROBIN")
    await expect(rows.filter(has_text="half.jpg")).to_have_count(0)
    await expect(rows.filter(has_text="robin.jpg")).to_have_count(1)
    assert page.url.endswith("?q=ROBIN")
    await search.fill(failed[:13])
    await expect(rows.filter(has_text="half.jpg")).to_have_count(1)
    await search.fill("no file is called so")
    await expect(page.get_by_text("No job fits.")).to_be_visible()
    await search.fill("")
    assert not await violations_everywhere(page)
    assert await overflow_px(page) == 0
    assert await narrow_overflow_px(page) == 0
    await take_pictures(page, "results")
    await page.get_by_label("State").select_option("failed")
    await expect(rows.filter(has_text="robin.jpg")).to_have_count(0)
    await expect(rows.filter(has_text="half.jpg")).to_have_count(1)
    assert page.url.endswith("?status=failed")
    await page.reload()
    await expect(page.get_by_label("State")).to_have_value("failed")


async def test_more_jobs_than_a_page_holds_are_shown_when_asked(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    for number in range(52):  # all but the first from the cache
        await submit(client, f"many-{number:02}.jpg", distinct(photo(), 9100))
    await open_view(page, service, "#/results")
    await expect(page.get_by_text("50 jobs, the latest first")).to_be_visible()
    await expect(page.get_by_role("link", name="many-01.jpg")).to_have_count(0)
    await page.get_by_role("button", name="Show more").click()
    await expect(page.get_by_role("link", name="many-01.jpg")).to_be_visible()


async def test_a_job_is_opened_with_its_history_and_what_came_out(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    job_id = await submit(client, "opened.jpg", distinct(photo(), 9200))
    job = await read(client, job_id)
    await open_view(page, service, "#/results")
    await page.get_by_role("link", name="opened.jpg").click()
    history = page.get_by_role("region", name="History")
    await expect(history.get_by_role("listitem")).to_have_count(3)
    await expect(history).to_contain_text("Accepted and put into the queue")
    await expect(history).to_contain_text("Completed")
    await expect(page.locator("#main")).to_be_focused()
    outcome = page.get_by_role("region", name="What came out")
    await expect(outcome).to_contain_text(job["result"]["predictions"][0])
    assert not await violations_everywhere(page)
    assert await overflow_px(page) == 0
    assert await narrow_overflow_px(page) == 0
    await take_pictures(page, "results-job")


async def test_a_failed_job_is_repeated_as_a_new_one(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    failed = await submit(client, "again.jpg", broken(9300))
    await open_view(page, service, f"#/results/{failed}")
    await page.get_by_role("button", name="Requeue").click()
    repeats = page.get_by_role("link", name=failed)
    await expect(repeats).to_be_visible()
    new = page.url.rsplit("/", 1)[1]
    assert (await read(client, new))["requeued_from"] == failed


async def test_a_job_is_cancelled_and_its_end_is_seen_as_it_happens(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    jobs = await submit_slow(client, 6)
    await open_view(page, service, f"#/results/{jobs[-1]}")
    await page.get_by_role("button", name="Cancel").click()
    history = page.get_by_role("region", name="History")
    await expect(history).to_contain_text("Cancelled")
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    await expect(page.get_by_role("heading", name="slow-5.jpg")).to_be_focused()
    assert (await read(client, jobs[-1]))["status"] == "cancelled"
    for job_id in jobs[:-1]:
        await client.delete(f"/result/{job_id}")


async def test_a_job_that_nobody_knows_is_told_in_words(page: Page, service: Service) -> None:
    await open_view(page, service, "#/results/0b2d1a9c-58a0-4e5c-9d54-1f0d6a3c7e11")
    await expect(page.get_by_role("alert")).to_contain_text("not_found")


async def test_dead_letters_are_repeated_once_and_dropped(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    for number in range(2):
        await submit(client, f"dead-{number}.jpg", broken(9400 + number))
    await open_view(page, service, "#/results/dead-letters")
    row = page.get_by_role("row").filter(has_text="image_truncated")
    await expect(row).to_contain_text("2")
    assert not await violations_everywhere(page)
    await take_pictures(page, "results-dead")
    await page.get_by_role("button", name="Requeue image_truncated").click()
    await expect(page.get_by_text("2 jobs repeated")).to_be_visible()
    await expect(row).to_contain_text("4")
    await page.get_by_role("button", name="Purge all").click()
    await page.get_by_role("dialog").get_by_role("button", name="Drop them").click()
    await expect(page.get_by_text("no failed job is kept")).to_be_visible()
    assert (await client.get("/queue")).json()["failed"] == {}
