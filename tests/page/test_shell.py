"""The shell of the page: views, theme, key, and what it costs to open it."""

from typing import Final, Literal

import pytest
from playwright.async_api import Page, expect

from tests.end_to_end.service import Service
from tests.page.browsing import Tab, open_view, overflow_px, violations_everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWS = {
    "Try it": "#/",
    "Live": "#/live",
    "Pipelines": "#/pipelines",
    "Experiments": "#/experiments",
    "Results": "#/results",
}
LEAST_CONTRAST: Final = 4.5
"""Of text to what is behind it, as WCAG 2.2 asks of text that counts."""
CONTRAST: Final = """(element) => {
  const { color, backgroundColor } = getComputedStyle(element);
  const luminance = (text) => {
    const [red, green, blue] = text.match(/[\\d.]+/g).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark, light] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}"""
DROP_A_FILE: Final = """() => ['dragover', 'drop'].map((kind) => {
  const data = new DataTransfer();
  data.items.add(new File(['no picture'], 'notes.txt'));
  const init = { bubbles: true, cancelable: true, dataTransfer: data };
  return !document.body.dispatchEvent(new DragEvent(kind, init));
})"""
"""Whether the page keeps the browser from showing a file in its place, event by event."""


@pytest.mark.parametrize("title", VIEWS)
async def test_every_view_opens_by_its_address(page: Page, service: Service, title: str) -> None:
    await open_view(page, service, VIEWS[title])
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    await expect(page).to_have_title(f"{title} · Conveyor")
    await expect(page.get_by_role("link", name=title, exact=True)).to_have_attribute(
        "aria-current", "page"
    )


async def test_views_are_reached_with_the_keyboard(page: Page, service: Service) -> None:
    await open_view(page, service)
    await page.get_by_role("link", name="Live").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Live")
    assert await page.evaluate("document.activeElement.id") == "main"


async def test_the_page_asks_nobody_but_the_service(tab: Tab, service: Service) -> None:
    for address in VIEWS.values():
        await open_view(tab.page, service, address)
    assert tab.hosts() == {service.url}


async def test_the_first_view_is_small(page: Page, service: Service) -> None:
    await open_view(page, service)
    sizes = "performance.getEntriesByType('resource').map((entry) => entry.transferSize)"
    assert sum(await page.evaluate(sizes)) < 1_500_000


async def test_it_says_how_the_service_is(page: Page, service: Service) -> None:
    await open_view(page, service)
    await expect(page.get_by_text("Service: Ready")).to_be_visible()


async def test_the_theme_is_the_systems_until_somebody_chooses(
    page: Page, service: Service
) -> None:
    html = page.locator("html")
    await page.emulate_media(color_scheme="dark")
    await open_view(page, service)
    await expect(html).to_have_attribute("data-theme", "dark")
    await page.get_by_role("button", name="Theme: system").click()
    await expect(html).to_have_attribute("data-theme", "light")
    await page.reload()
    await expect(html).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("width", [360, 768, 1920])
async def test_nothing_is_wider_than_the_window(page: Page, service: Service, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    for address in VIEWS.values():
        await open_view(page, service, address)
        assert await overflow_px(page) <= 0


async def test_a_file_that_is_dropped_anywhere_leaves_the_page_where_it_is(
    page: Page, service: Service
) -> None:
    for address in VIEWS.values():
        await open_view(page, service, address)
        assert await page.evaluate(DROP_A_FILE) == [True, True]


async def test_nothing_serious_keeps_people_out(page: Page, service: Service) -> None:
    await open_view(page, service)
    await page.get_by_role("button", name="API key: none").click()
    await expect(page.get_by_role("dialog", name="API key")).to_be_visible()
    assert not await violations_everywhere(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_button_that_is_off_can_be_read_and_looks_off(
    page: Page, service: Service, scheme: Literal["light", "dark"]
) -> None:
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await open_view(page, service, "#/pipelines/new")
    create = page.get_by_role("button", name="Create pipeline")
    await create.evaluate("button => button.setAttribute('aria-disabled', 'true')")
    await create.hover(force=True)  # nothing happens there, and nothing looks as if it did
    assert await create.evaluate(CONTRAST) >= LEAST_CONTRAST
    await page.get_by_role("button", name="blur", exact=True).click()
    await expect(page.get_by_role("button", name="Move step 0, blur up")).to_have_css(
        "opacity", "0.45"
    )
