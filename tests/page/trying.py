"""What the tests of "Try it" do: give pictures, wait for them, ask the API for the same jobs."""

from typing import Any

import httpx
from playwright.async_api import FilePayload, Locator, Page, expect

from tests.end_to_end.service import Service


def sent(name: str, data: bytes, kind: str = "image/jpeg") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": data}


async def give(page: Page, *files: FilePayload) -> None:
    await page.locator("input[type=file]").set_input_files(files)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").get_by_role("button").filter(has_text=name)


async def all_done(page: Page, count: int, *, timeout_s: float = 30) -> None:
    pictures = "picture" if count == 1 else "pictures"
    await expect(page.get_by_text(f"{count} of {count} {pictures}")).to_be_visible(
        timeout=timeout_s * 1000
    )


async def latest_jobs(service: Service, count: int) -> list[dict[str, Any]]:
    """Return the jobs that were accepted last, the oldest of them first."""
    async with httpx.AsyncClient(base_url=service.url) as client:
        answer = await client.get("/results", params={"limit": count})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
    return found[::-1]


async def compose(page: Page, *types: str) -> None:
    await page.get_by_text("Operations", exact=True).click()
    for name in types:
        await page.get_by_role("button", name=name, exact=True).click()
