"""A service that requires a key: asked for, sent in a header, never in an address."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from dispatcher.api.guards.keys import ApiKey, Scope, digest_of, format_keys, new_key
from tests.end_to_end.service import IMAGES, Service, running
from tests.page.browsing import Tab, open_view, serious_violations

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORED = "JSON.stringify([{...sessionStorage}, {...localStorage}])"


@pytest.fixture(scope="module")
def key() -> str:
    return new_key()


@pytest.fixture(scope="module")
def guarded(
    service: Service, tmp_path_factory: pytest.TempPathFactory, key: str
) -> Iterator[Service]:
    """A service that lets nobody in without this key."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copytree(service.data_dir / "models", folder / "data" / "models")
    entry = ApiKey("k1", owner="ann", digest=digest_of(key.encode()), scopes=frozenset(Scope))
    file = folder / "keys.json"
    file.write_text(format_keys([entry]))
    file.chmod(0o600)
    flags = ("--replicas", "1", "--api-keys-file", str(file))
    with running(folder / "data", *flags) as started:
        yield started


async def enter(page: Page, key: str) -> None:
    dialog = page.get_by_role("dialog", name="API key")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key", exact=True).fill(key)
    await dialog.get_by_role("button", name="Use this key").click()


async def test_the_key_is_asked_for_and_goes_into_headers_only(
    tab: Tab, guarded: Service, key: str
) -> None:
    page = tab.page
    await open_view(page, guarded)
    await expect(page.get_by_role("alert")).to_contain_text("requires a key")
    assert not await serious_violations(page)
    await enter(page, "not the right one")
    await enter(page, key)
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_text("Operations", exact=True).click()
    await page.get_by_role("button", name="grayscale", exact=True).click()
    await page.locator("input[type=file]").set_input_files(IMAGES / "koala.jpg")
    await expect(page.get_by_role("img", name="koala.jpg, after")).to_be_visible(timeout=30_000)
    assert any("/image" in url for url in tab.requests)
    assert not [url for url in (*tab.requests, page.url) if key in url]


async def test_a_key_lasts_as_long_as_the_tab(page: Page, guarded: Service, key: str) -> None:
    await open_view(page, guarded)
    field = page.get_by_role("dialog", name="API key").get_by_label("Key", exact=True)
    await expect(field).to_have_attribute("autocomplete", "current-password")
    await enter(page, key)
    await expect(page.get_by_role("dialog")).to_be_hidden()
    session, local = await page.evaluate(f"JSON.parse({STORED})")
    assert key in session.values()
    assert key not in local.values()
    await page.reload()
    await expect(page.get_by_role("combobox", name="Pipeline")).to_contain_text("default")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    other = await page.context.new_page()
    await open_view(other, guarded)
    await expect(other.get_by_role("dialog", name="API key")).to_be_visible()
