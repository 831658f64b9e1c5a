"""Two hundred pictures at once, one of them broken, and a service that is restarted meanwhile."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.conftest import Tell
from tests.end_to_end.service import distinct, photo
from tests.page.browsing import Tab, open_view
from tests.page.restarting import Restartable

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 200
NAMES = ("koala.jpg", "castle.jpg", "espresso.jpg", "honey_bee.jpg", "red_panda.jpg")
BROKEN = 77
SOME_DONE = re.compile(r"^([2-9]\d|1\d\d) of 200 pictures")
STALLS = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  }).observe({ type: 'longtask' });
}"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two hundred files; all pictures but one, no two with the same bytes."""
    made = tmp_path / "pictures"
    made.mkdir()
    photos = [photo(name) for name in NAMES]
    for number in range(COUNT):
        data = distinct(photos[number % len(photos)], number)
        (made / f"{number:03}.jpg").write_bytes(
            data[: len(data) // 2] if number == BROKEN else data
        )
    return sorted(str(path) for path in made.iterdir())


async def test_all_end_as_they_should_although_the_service_is_restarted(
    tab: Tab, files: list[str], restartable: Restartable, tell: Tell
) -> None:
    page, first = tab.page, await restartable.start()
    await open_view(page, first)
    await page.evaluate(STALLS)
    await page.locator("input[type=file]").set_input_files(files)
    await expect(page.get_by_role("list").last.get_by_role("button")).to_have_count(COUNT)
    progress = page.get_by_role("progressbar", name="Pictures done")
    await expect(page.get_by_text(SOME_DONE)).to_be_visible(timeout=60_000)
    await asyncio.to_thread(first.stop)
    await expect(page.get_by_text("The service does not answer")).to_be_visible(timeout=20_000)
    assert int(await progress.get_attribute("aria-valuenow") or 0) < COUNT
    second = await restartable.start()
    done = page.get_by_text(f"{COUNT} of {COUNT} pictures")
    await expect(done).to_be_visible(timeout=60_000)
    await expect(page.get_by_text("The service does not answer")).to_be_hidden()
    longest_ms = await page.evaluate("window.longest")
    tell(f"longest task of the page: {longest_ms:.0f} ms, {len(tab.requests)} requests")
    await expect(page.get_by_text("Only what has failed (1)")).to_be_visible()
    await expect(page.get_by_role("button").filter(has_text=f"{BROKEN:03}.jpg")).to_contain_text(
        "failed"
    )
    async with httpx.AsyncClient(base_url=second.url) as client:
        answer = await client.get("/results", params={"limit": 500, "status": "completed"})
        names = [job["filename"] for job in answer.raise_for_status().json()["results"]]
    # Sent once each, whatever was sent again: that is what the idempotency keys are for.
    assert sorted(names) == [f"{number:03}.jpg" for number in range(COUNT) if number != BROKEN]
