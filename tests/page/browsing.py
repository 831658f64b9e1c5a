"""What tests of the page do: open a view, look for what a browser complains about, take pictures.

``CONVEYOR_SCREENSHOTS=FOLDER`` keeps pictures of the views, light, dark and narrow.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ConsoleMessage, Page, Request, expect

from tests.end_to_end.service import Service

WIDE: Final = {"width": 1280, "height": 800}
NARROW: Final = {"width": 360, "height": 740}
ASKS_BEFORE_LEAVING: Final = "() => !dispatchEvent(new Event('beforeunload', { cancelable: true }))"
"""Whether the browser would ask whoever left the page now."""
# Chromium says so of every answer above 399, and of every connection that is refused.
_ORDINARY: Final = re.compile(r"Failed to load resource|net::ERR_")


class Tab:
    """A page, and everything that its browser has said about it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._note)
        page.on(
            "pageerror", lambda error: self.complaints.append(f"{error.message}\n{error.stack}")
        )
        page.on("request", self._count)

    def check(self) -> None:
        """Fail when the browser complained: an error of a script, a breach of the policy."""
        assert not self.complaints, "\n".join(self.complaints)

    def hosts(self) -> set[str]:
        """Return whom the page has asked for anything, by scheme and host."""
        return {re.sub(r"(\w+://[^/]*).*", r"\1", url) for url in self.requests}

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _ORDINARY.search(message.text):
            self.complaints.append(message.text)

    def _count(self, request: Request) -> None:
        if not request.url.startswith(("blob:", "data:")):
            self.requests.append(request.url)


async def open_view(page: Page, service: Service, address: str = "#/") -> None:
    """Open a view and return when its heading is there."""
    await page.goto(f"{service.url}/{address}")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()


async def serious_violations(page: Page) -> list[str]:
    """Return what axe finds that keeps people out: rule, and where."""
    results: dict[str, Any] = (await Axe().run(page)).response
    return [
        f"{found['id']}: {json.dumps([node['html'][:200] for node in found['nodes']])}"
        for found in results["violations"]
        if found["impact"] in ("serious", "critical")
    ]


async def violations_everywhere(page: Page) -> list[str]:
    """Return what axe finds in light and in dark, on a wide and on a narrow screen."""
    found = []
    for scheme, size in _looks():
        await _look(page, scheme, size)
        found += [f"{scheme} {size['width']}: {each}" for each in await serious_violations(page)]
    await _look(page, "light", WIDE)
    return found


async def overflow_px(page: Page) -> int:
    """Return how far the page is wider than its window, in CSS pixels."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(await page.evaluate(script))


async def narrow_overflow_px(page: Page) -> int:
    """Return how far the page is wider than the narrowest window that it is made for."""
    await _look(page, "light", NARROW)
    found = await overflow_px(page)
    await _look(page, "light", WIDE)
    return found


async def take_pictures(page: Page, name: str) -> None:
    """Keep pictures of the page in every look where ``CONVEYOR_SCREENSHOTS`` says."""
    folder = os.environ.get("CONVEYOR_SCREENSHOTS")
    if not folder:
        return
    for scheme, size in _looks():
        await _look(page, scheme, size)
        kind = scheme if size is WIDE else f"narrow-{scheme}"
        await page.screenshot(path=Path(folder) / f"{name}-{kind}.png", full_page=size is NARROW)
    await _look(page, "light", WIDE)


def _looks() -> Sequence[tuple[str, dict[str, int]]]:
    return (("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW))


async def _look(page: Page, scheme: str, size: dict[str, int]) -> None:
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})
    # Without transitions: nobody can be judged by colours in between.
    await page.emulate_media(
        color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    await expect(page.locator("html")).to_have_attribute("data-theme", scheme)
