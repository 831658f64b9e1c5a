"""The view "Live": the same figures as /status and /metrics, and nothing asked out of sight."""

import re
from collections.abc import Awaitable

import httpx
import pytest
from playwright.async_api import Page, Request, expect

from tests.end_to_end.service import Service, distinct, photo
from tests.page.browsing import Tab, open_view, overflow_px, take_pictures, violations_everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNTS = ("Completed", "Failed", "Expired", "Cancelled", "Cache hits", "Misses", "Coalesced")
OUTCOMES = ("completed", "failed", "expired", "cancelled")
SHOW = """(isShown) => {
  Object.defineProperty(document, 'hidden', { value: !isShown, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


async def predict(service: Service, *pictures: bytes) -> None:
    """Have pictures computed, one after the other."""
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        for picture in pictures:
            response = await client.post("/predict", files={"image": ("a.jpg", picture)})
            response.raise_for_status()


async def figure(page: Page, section: str, name: str) -> str:
    """Return the text of one large figure."""
    found = page.get_by_role("region", name=section, exact=True).locator(".figures > div")
    entry = found.filter(has=page.get_by_text(name, exact=True)).locator("dd").first
    return await entry.inner_text()


async def counts_shown(page: Page) -> dict[str, int]:
    """Return what is counted since the start, by the column's title."""
    table = page.get_by_role("region", name="Counts since the start")
    titles = await table.locator("th").all_inner_texts()
    cells = await table.locator("tbody tr").first.locator("td").all_inner_texts()
    found = dict(zip(titles, cells, strict=True))
    return {name: int(found[name].replace(",", "")) for name in COUNTS}


async def metric(service: Service, name: str) -> float:
    """Return one sample of /metrics, given with its labels."""
    async with httpx.AsyncClient(base_url=service.url) as client:
        text = (await client.get("/metrics")).raise_for_status().text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


async def test_figures_equal_status_and_metrics(page: Page, service: Service) -> None:
    same = distinct(photo("koala.jpg"), 8_001)
    await predict(service, same, same, distinct(photo("koala.jpg"), 8_002))
    await open_view(page, service, "#/live")
    shown = await shown_when_there(page)
    status = service.status()
    cache = status["cache_metrics"]
    assert shown == {
        "Completed": status["successful_requests"],
        "Failed": status["failed_requests"],
        "Expired": status["expired_requests"],
        "Cancelled": status["cancelled_requests"],
        "Cache hits": cache["hits"],
        "Misses": cache["misses"],
        "Coalesced": cache["coalesced"],
    }
    for name, outcome in zip(COUNTS, OUTCOMES, strict=False):
        metrics = await metric(service, f'dispatcher_jobs_total{{outcome="{outcome}"}}')
        assert shown[name] == metrics
    assert await figure(page, "Now", "Waiting") == str(status["queue_size"])
    told = await figure(page, "As the dispatcher itself reckons", "Errors")
    assert told == f"{status['health_metrics']['error_rate']:g} %"


async def shown_when_there(page: Page) -> dict[str, int]:
    await expect(page.get_by_role("region", name="Counts since the start")).to_be_visible()
    return await counts_shown(page)


async def test_what_happens_meanwhile_is_told_within_the_window(
    page: Page, service: Service
) -> None:
    await open_view(page, service, "#/live")
    before = await shown_when_there(page)
    await predict(service, *(distinct(photo("koala.jpg"), 8_100 + n) for n in range(5)))
    row = page.get_by_role("region", name="Counts since the start").locator("tbody td")
    await expect(row.nth(1)).to_have_text(f"{before['Completed'] + 5:,}")
    now = page.get_by_role("region", name="Now", exact=True)
    await expect(now.get_by_text("0 hits, 5 misses, 0 coalesced")).to_be_visible()
    assert float(await figure(page, "Now", "Throughput")) > 0
    assert re.fullmatch(r"[\d.]+ (ms|s)", await figure(page, "Now", "p95 latency"))


async def test_each_replica_is_told_with_state_load_and_batch_size(
    page: Page, service: Service
) -> None:
    await open_view(page, service, "#/live")
    rows = page.get_by_role("region", name="Replicas of default/0").locator("tbody tr")
    replicas = [one for one in service.status()["replicas"] if one["step"] == "default/0"]
    await expect(rows).to_have_count(len(replicas))
    for replica in replicas:
        row = rows.filter(has_text=replica["url"].removeprefix("http://"))
        cells = await row.locator("td").all_inner_texts()
        assert cells[1].strip() == replica["state"]
        assert cells[3] == str(replica["max_batch_size"])
        assert cells[4] == f"{replica['served']:,}"


async def test_out_of_sight_nothing_is_asked(tab: Tab, service: Service) -> None:
    page = tab.page
    await page.clock.install()
    await open_view(page, service, "#/live")
    await shown_when_there(page)
    await page.evaluate(SHOW, False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.run_for(60_000)
    assert asked == []
    await after_a_request(page, page.evaluate(SHOW, True))
    assert any(url.endswith("/status") for url in asked)


async def after_a_request(page: Page, cause: Awaitable[object]) -> None:
    def is_status(request: Request) -> bool:
        return request.url.endswith("/status")

    async with page.expect_request(is_status):
        await cause


async def test_charts_can_be_read_as_tables(page: Page, service: Service) -> None:
    await open_view(page, service, "#/live")
    await shown_when_there(page)
    await page.get_by_text("Jobs that wait: as a table").click()
    table = page.get_by_role("region", name="Jobs that wait: figures")
    await expect(table.locator("tbody tr").first.locator("td").nth(1)).to_have_text("0")


async def test_it_is_open_to_all(page: Page, service: Service) -> None:
    await open_view(page, service, "#/live")
    before = await shown_when_there(page)
    await predict(service, *(distinct(photo("koala.jpg"), 8_200 + n) for n in range(4)))
    row = page.get_by_role("region", name="Counts since the start").locator("tbody td")
    await expect(row.nth(1)).to_have_text(f"{before['Completed'] + 4:,}")
    assert await violations_everywhere(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await overflow_px(page) == 0
    await take_pictures(page, "live")
