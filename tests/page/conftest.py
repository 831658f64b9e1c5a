"""Fixtures: a browser and a service for all tests of the page, a fresh tab for each.

Without Chromium these tests are skipped, and fail where ``CI`` is set: ``./setup.sh servers``
installs it.
"""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.end_to_end.service import Service, running
from tests.page.browsing import Tab
from tests.page.restarting import Restartable
from tests.servers.fixtures import need

PROGRAM = "chromium"
# For machines that have other things to do; a page that is right takes milliseconds.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it running."""
    with running(tmp_path_factory.mktemp("page") / "data", "--replicas", "1") as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    need(PROGRAM)
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=shutil.which(PROGRAM))
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    """A tab with storage of its own; what the browser complains about fails the test."""
    async with await browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        opened = Tab(await context.new_page())
        yield opened
        opened.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page(tab: Tab) -> Page:
    """The tab's page, for those who need nothing else."""
    return tab.page


@pytest.fixture
def restartable(service: Service, tmp_path: Path) -> Iterator[Restartable]:
    """A service of this test's own."""
    shutil.copytree(service.data_dir / "models", tmp_path / "data" / "models")
    with ExitStack() as stack:
        yield Restartable(tmp_path / "data", stack)
