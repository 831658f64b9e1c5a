"""The view "Pipelines": made, scaled, deleted, and what is said when something is wrong."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.end_to_end.service import Service
from tests.page.browsing import (
    narrow_overflow_px,
    open_view,
    overflow_px,
    take_pictures,
    violations_everywhere,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

READY_MS = 60_000
"""Until a replica has started, on a machine that is busy."""


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The API; pipelines that a test has made are gone after it."""
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as opened:
        yield opened
        for pipeline in await listed(opened):
            if pipeline["created_at"] is not None:
                answer = await opened.delete(f"/pipeline/{pipeline['pipeline_id']}")
                answer.raise_for_status()


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return all pipelines."""
    answer = await client.get("/pipeline")
    found: list[dict[str, Any]] = answer.raise_for_status().json()["pipelines"]
    return found


async def made(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Return one pipeline."""
    found: dict[str, Any] = (await client.get(f"/pipeline/{name}")).raise_for_status().json()
    return found


async def create(client: httpx.AsyncClient, name: str, *steps: dict[str, Any]) -> None:
    answer = await client.post("/pipeline", json={"name": name, "steps": steps})
    answer.raise_for_status()


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


async def add(page: Page, step_type: str, *, to: str = "Steps in order") -> None:
    group = page.get_by_role("group", name=f"Add to: {to}", exact=True)
    await group.get_by_role("button", name=step_type, exact=True).click()


async def press_create(page: Page) -> None:
    await page.get_by_role("button", name="Create pipeline").click()


async def test_a_pipeline_is_composed_with_nested_steps_and_seen_to_start(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    await open_view(page, service, "#/pipelines")
    await expect(card(page, "default")).to_contain_text("built in")
    await page.get_by_role("link", name="New pipeline").click()
    await page.get_by_label("Name").fill("edges")
    for step_type in ("sobel", "blur"):
        await add(page, step_type)
    await page.get_by_role("button", name="Move step 1, blur up").click()
    await page.get_by_label("ksize").first.select_option("9")
    await page.get_by_text("Steps inside").first.click()
    await add(page, "resize", to="Steps inside step 0, blur")
    await page.get_by_label("size", exact=True).fill("50%")
    await press_create(page)
    await expect(card(page, "edges").get_by_role("listitem")).to_have_count(3)
    steps = (await made(client, "edges"))["steps"]
    assert [(step["type"], step["params"]) for step in steps] == [
        ("blur", {"ksize": 9}),
        ("resize", {"size": "50%"}),
        ("sobel", {}),
    ]
    await expect(card(page, "edges")).to_contain_text("1 of 1 ready", timeout=READY_MS)


async def test_what_the_service_refuses_is_said_at_the_field(page: Page, service: Service) -> None:
    await open_view(page, service, "#/pipelines/new")
    name, size = page.get_by_label("Name"), page.get_by_label("size", exact=True)
    await name.fill("default")
    await add(page, "resize")
    await press_create(page)
    await expect(page.get_by_text("are not free.")).to_be_visible()
    await expect(name).to_be_focused()
    await name.fill("small")
    await press_create(page)
    await expect(size).to_be_focused()
    await expect(page.get_by_text("size is missing.")).to_be_visible()
    assert not await violations_everywhere(page)
    assert await overflow_px(page) == 0
    assert await narrow_overflow_px(page) == 0
    await take_pictures(page, "pipelines-new")


async def test_what_stands_in_a_field_and_is_wrong_is_not_left_out(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    await open_view(page, service, "#/pipelines/new")
    await add(page, "blur")
    await add(page, "deblur")
    await page.get_by_role("button", name="Remove step 0, blur").press("Enter")
    await expect(page.get_by_role("button", name="Remove step 0, deblur")).to_be_focused()
    await page.get_by_label("iterations").fill("1000")
    await press_create(page)
    await expect(page.get_by_label("iterations")).to_be_focused()
    assert all(pipeline["created_at"] is None for pipeline in await listed(client))


async def test_a_pipeline_is_made_from_json_and_the_text_is_checked(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    await open_view(page, service, "#/pipelines/new")
    await page.get_by_text("JSON", exact=True).click()
    text = page.get_by_label("Pipeline as JSON")
    await text.fill("{")
    await press_create(page)
    await expect(page.get_by_text("This is no JSON")).to_be_visible()
    await text.fill(json.dumps({"name": "grey", "steps": [{"type": "greyscale"}]}))
    await press_create(page)
    await expect(page.get_by_text("step 0: type: cannot be 'greyscale'")).to_be_visible()
    await text.fill(json.dumps({"name": "grey", "steps": [{"type": "grayscale"}]}))
    await page.get_by_text("Form", exact=True).click()
    await expect(page.get_by_label("Name")).to_have_value("grey")
    await press_create(page)
    await expect(card(page, "grey")).to_contain_text("grayscale")
    assert [step["type"] for step in (await made(client, "grey"))["steps"]] == ["grayscale"]


async def test_a_step_is_scaled_by_keyboard_and_its_replicas_are_seen_to_start(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    await create(client, "soft", {"type": "blur"})
    await open_view(page, service, "#/pipelines")
    slider = card(page, "soft").get_by_label("Replicas of blur")
    await slider.press("ArrowRight")
    await expect(card(page, "soft")).to_contain_text("of 2 ready")
    assert (await made(client, "soft"))["steps"][0]["replicas"]["desired"] == 2
    await expect(card(page, "soft")).to_contain_text("2 of 2 ready", timeout=READY_MS)
    await slider.press("Home")
    await expect(card(page, "soft")).to_contain_text("1 of 1 ready", timeout=READY_MS)


async def test_a_replica_that_cannot_start_says_why_and_its_pipeline_is_deleted(
    page: Page, service: Service, client: httpx.AsyncClient
) -> None:
    await create(client, "bad", {"type": "classifier", "params": {"model": "no_such"}})
    await open_view(page, service, "#/pipelines")
    await expect(card(page, "bad")).to_contain_text("unknown model 'no_such'", timeout=READY_MS)
    assert not await violations_everywhere(page)
    assert await overflow_px(page) == 0
    assert await narrow_overflow_px(page) == 0
    await take_pictures(page, "pipelines")
    await page.get_by_role("button", name="Delete bad").click()
    dialog = page.get_by_role("dialog", name="Delete bad?")
    await dialog.get_by_role("button", name="Keep it").click()
    await expect(card(page, "bad")).to_be_visible()
    await page.get_by_role("button", name="Delete bad").click()
    await dialog.get_by_role("button", name="Delete the pipeline").click()
    await expect(card(page, "bad")).to_have_count(0)
    assert (await client.get("/pipeline/bad")).status_code == 404
