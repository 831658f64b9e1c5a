"""The service goes away and comes back while views are open: each is as before, by itself."""

import asyncio
import signal

import pytest
from playwright.async_api import Browser, expect

from tests.end_to_end.service import distinct, photo
from tests.page.browsing import Tab, open_view
from tests.page.restarting import Restartable
from tests.page.trying import all_done, give, latest_jobs, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = "The service does not answer"
FROZEN_TOLD_MS = 15_000
"""As soon as one look in five seconds has not been answered for five."""


async def test_every_view_recovers(browser: Browser, restartable: Restartable) -> None:
    service = await restartable.start()
    async with await browser.new_context() as context:
        views = {name: await context.new_page() for name in ("live", "pipelines", "results", "try")}
        for name, page in views.items():
            await open_view(page, service, "#/" if name == "try" else f"#/{name}")
        await asyncio.to_thread(service.stop)
        for page in views.values():
            await expect(page.get_by_text(AWAY)).to_be_visible()
        await restartable.start()
        for page in views.values():
            await expect(page.get_by_text(AWAY)).to_be_hidden()
        await give(views["try"], sent("after.jpg", distinct(photo("koala.jpg"), 5)))
        await all_done(views["try"], 1)
        row = views["results"].get_by_role("row").filter(has_text="after.jpg")
        await expect(row).to_contain_text("completed")
        live = views["live"].get_by_role("region", name="Counts since the start")
        await expect(live.get_by_role("row").last.get_by_role("cell").nth(1)).to_have_text("1")
        await expect(views["pipelines"].get_by_text("1 of 1 ready").first).to_be_visible()


async def test_a_frozen_service_is_told_of_and_no_picture_is_lost_or_doubled(
    tab: Tab, restartable: Restartable
) -> None:
    page, service = tab.page, await restartable.start()
    await open_view(page, service)
    await expect(page.get_by_text("Service: Ready")).to_be_visible()
    service.process.send_signal(signal.SIGSTOP)
    try:
        await give(page, sent("frozen.jpg", distinct(photo("koala.jpg"), 6)))
        await expect(page.get_by_text(AWAY)).to_be_visible(timeout=FROZEN_TOLD_MS)
    finally:
        service.process.send_signal(signal.SIGCONT)
    await expect(page.get_by_text(AWAY)).to_be_hidden()
    await all_done(page, 1)
    assert [job["filename"] for job in await latest_jobs(service, 5)] == ["frozen.jpg"]
