"""The view "Try it": what is done with pictures, and who did it."""

import re

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.end_to_end.service import Service, distinct, photo
from tests.page.browsing import open_view
from tests.page.trying import all_done, compose, give, latest_jobs, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_operations_run_in_the_order_that_the_keyboard_gave_them(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    await compose(page, "sobel", "grayscale", "resize")
    await page.get_by_role("button", name="Move resize up").focus()
    await page.keyboard.press("Enter")  # the focus goes with it
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("list", name="Operations in order")).to_contain_text("1. resize")
    await page.get_by_label("size", exact=True).fill("100x60")
    await page.get_by_label("Output format").select_option("PNG")
    await give(page, sent("castle.jpg", photo("castle.jpg")))
    await all_done(page, 1)
    [job] = await latest_jobs(service, 1)
    assert [step["type"] for step in job["steps"]] == ["resize", "sobel", "grayscale"]
    await expect(page.get_by_text("castle.png: 100 \u00d7 60, image/png")).to_be_visible()


async def test_a_pipeline_is_picked_and_its_params_are_overridden(
    page: Page, service: Service
) -> None:
    steps = [{"type": "grayscale"}, {"type": "sobel"}]
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        made = await client.post("/pipeline", json={"name": "grey-edges", "steps": steps})
        pipeline = made.raise_for_status().json()["pipeline_id"]
        try:
            await open_view(page, service)
            await page.get_by_role("combobox", name="Pipeline").select_option(pipeline)
            await expect(page.get_by_text("grayscale \u2192 sobel")).to_be_visible()
            await page.get_by_label("Tiles").fill("2")
            await page.get_by_label("Threads").fill("2")
            await page.get_by_label("Output format").select_option("PNG")
            await give(page, sent("castle.jpg", distinct(photo("castle.jpg"), 4)))
            await all_done(page, 1, timeout_s=60)
            [job] = await latest_jobs(service, 1)
        finally:
            await client.delete(f"/pipeline/{pipeline}")
    assert job["pipeline"] == pipeline
    assert [step["type"] for step in job["steps"]] == ["grayscale", "sobel"]
    assert len(job["steps"][1]["tiles"]) == 2
    assert job["result"]["content_type"] == "image/png"


async def test_an_operation_is_dragged_to_another_place(page: Page, service: Service) -> None:
    # High enough for all rows: a page that is scrolled under a pressed button drags another one.
    await page.set_viewport_size({"width": 1280, "height": 1600})
    await open_view(page, service)
    await compose(page, "blur", "sobel", "grayscale")
    rows = page.get_by_role("list", name="Operations in order").get_by_role("listitem")
    await rows.nth(2).locator("[draggable=true]").drag_to(rows.nth(0))
    names = [(await rows.nth(n).locator("strong").inner_text()) for n in range(3)]
    assert names == ["1. grayscale", "2. blur", "3. sobel"]


async def test_a_param_that_cannot_be_is_said_at_its_field(page: Page, service: Service) -> None:
    await open_view(page, service)
    await compose(page, "sobel")
    await page.get_by_label("tiles").fill("0")
    await expect(page.get_by_text("A whole number from 1 to")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("A whole number from 1 to")
    tiles = page.get_by_label("tiles")
    await expect(tiles).to_have_attribute("aria-invalid", "true")
    await expect(tiles).to_have_accessible_description(
        re.compile("^Chunks of rows.*A whole number")
    )


async def test_tiles_are_drawn_with_who_computed_each(page: Page, service: Service) -> None:
    await open_view(page, service)
    await compose(page, "sobel")
    await page.get_by_label("tiles").fill("3")
    await give(page, sent("castle.jpg", distinct(photo("castle.jpg"), 2)))
    await all_done(page, 1)
    [job] = await latest_jobs(service, 1)
    tiles = job["steps"][0]["tiles"]
    rows = page.get_by_role("region", name="Tiles of sobel").locator("tbody tr")
    await expect(rows).to_have_count(3)
    for index, tile in enumerate(tiles):
        text = await rows.nth(index).inner_text()
        assert text.split()[:3] == [
            str(index + 1), tile["replica"].removeprefix("http://"), str(tile["rows"])
        ]  # fmt: skip
    heights = await page.locator(".tile-band").evaluate_all("all => all.map(e => e.offsetHeight)")
    assert heights == pytest.approx([sum(heights) / 3] * 3, abs=2)
    await expect(page.locator(".tile-band span").first).to_be_visible()


async def test_tiles_of_a_picture_that_is_split_are_drawn_on_the_one_that_was_sent(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    await compose(page, "sobel", "split")
    await page.get_by_label("tiles").fill("64")
    await give(page, sent("castle.jpg", distinct(photo("castle.jpg"), 7)))
    await all_done(page, 1)
    [job] = await latest_jobs(service, 1)
    count = len(job["steps"][0]["tiles"])
    await expect(
        page.get_by_role("img", name=f"castle.jpg, cut into {count} tiles")
    ).to_be_visible()
    await expect(page.locator(".tile-band")).to_have_count(count)
    # Too low for words, which the table has.
    await expect(page.locator(".tile-band span").first).to_be_hidden()
    await expect(page.get_by_role("region", name="Tiles of sobel")).to_contain_text("Computed by")


async def test_before_and_after_are_compared_with_the_keyboard(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    await compose(page, "grayscale")
    await give(page, sent("castle.jpg", photo("castle.jpg")))
    await all_done(page, 1)
    slider = page.get_by_role("slider", name="Before and after")
    await slider.focus()
    await page.keyboard.press("End")
    await expect(slider).to_have_attribute("aria-valuetext", "100 % before")
    clip = page.get_by_role("img", name="castle.jpg, before")
    await expect(clip).to_have_css("clip-path", "inset(0px 0% 0px 0px)")


async def test_where_the_time_went_is_told_as_figures_too(page: Page, service: Service) -> None:
    await open_view(page, service)
    await compose(page, "grayscale", "blur")
    await give(page, sent("castle.jpg", distinct(photo("castle.jpg"), 3)))
    await all_done(page, 1)
    await page.get_by_text("as a table").click()
    table = page.get_by_role("region", name="Time by stage: figures")
    await expect(table).to_be_visible()
    names = await table.locator("tbody td:first-child").all_inner_texts()
    assert [name for name in names if name in ("grayscale", "blur")] == ["grayscale", "blur"]
