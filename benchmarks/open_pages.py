"""``python -m benchmarks.open_pages URL COUNT``: so many people look at Live, until end of input.

Says ``open`` once all pages are there, and at the end, as JSON, how often they have asked for what.
The browser is given the least of the processor: the people who look have machines of their own.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from playwright.async_api import async_playwright

_LEAST = 19


async def look(url: str, count: int) -> None:
    """Open pages, and close them at the end of input."""
    asked: Counter[str] = Counter()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for _ in range(count):
            context = await browser.new_context(viewport={"width": 1280, "height": 800})
            page = await context.new_page()
            await page.goto(f"{url}/#/live")
            await page.get_by_role("region", name="Now").wait_for()
            page.on("request", lambda request: asked.update([urlsplit(request.url).path]))
        _give_way()
        print("open", flush=True)
        asked.clear()
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(asked), flush=True)
        await browser.close()


def _give_way() -> None:
    """Take the least of the processor, with all processes of the browser."""
    myself = psutil.Process()
    for process in (myself, *myself.children(recursive=True)):
        with suppress(psutil.Error, OSError):
            process.nice(_LEAST)
            # Linux shares the processor among sessions first, and a browser has several.
            Path(f"/proc/{process.pid}/autogroup").write_text(str(_LEAST))


def main() -> None:
    """Read the arguments and look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_pages")
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    asyncio.run(look(given.url, given.count))


if __name__ == "__main__":
    main()
