"""The view "Try it": pictures in, what came out, and the same figures as the API tells."""

import json
from base64 import b64encode
from zipfile import ZipFile

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.end_to_end.service import Service, distinct, photo
from tests.page.browsing import (
    ASKS_BEFORE_LEAVING,
    Tab,
    open_view,
    overflow_px,
    take_pictures,
    violations_everywhere,
)
from tests.page.trying import all_done, card, compose, give, latest_jobs, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")

GIVE = """([kind, name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const init = { bubbles: true, cancelable: true };
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', { ...init, clipboardData: data })
    : new DragEvent('drop', { ...init, dataTransfer: data });
  document.body.dispatchEvent(event);
}"""

SHOW = """(isShown) => {
  Object.defineProperty(document, 'hidden', { value: !isShown, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


async def test_labels_and_scores_are_those_of_the_api(page: Page, service: Service) -> None:
    await open_view(page, service)
    await give(page, sent("koala.jpg", photo("koala.jpg")))
    await all_done(page, 1)
    [job] = await latest_jobs(service, 1)
    rows = page.get_by_role("list", name="Labels, the likeliest first").get_by_role("listitem")
    await expect(rows).to_have_count(5)
    for index, (label, score) in enumerate(
        zip(job["result"]["predictions"], job["result"]["scores"], strict=True)
    ):
        text = await rows.nth(index).inner_text()
        assert text.startswith(label)
        assert float(text.removeprefix(label).strip().removesuffix("%")) == pytest.approx(
            100 * score, rel=0.01, abs=0.006
        )
    assert job["filename"] == "koala.jpg"
    assert job["result"]["predictions"][0] == "koala"


async def test_progress_comes_by_events(tab: Tab, service: Service) -> None:
    await open_view(tab.page, service)
    await give(tab.page, sent("new.jpg", distinct(photo(), 1)))
    await all_done(tab.page, 1)
    [job] = await latest_jobs(service, 1)
    about = [url for url in tab.requests if job["request_id"] in url]
    assert about == [f"{service.url}/result/{job['request_id']}/events"]


@pytest.mark.parametrize("kind", ["paste", "drop"])
async def test_a_picture_is_pasted_or_dropped_anywhere(
    page: Page, service: Service, kind: str
) -> None:
    await open_view(page, service)
    data = photo("espresso.jpg")
    encoded = b64encode(data).decode()
    await page.evaluate(GIVE, [kind, "espresso.jpg", "image/jpeg", encoded])
    await all_done(page, 1)
    await expect(card(page, "espresso.jpg")).to_contain_text("completed")


async def test_what_is_no_picture_is_refused_in_words_with_the_code(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    await give(page, sent("notes.jpg", b"no picture at all"), sent("koala.jpg", photo()))
    await all_done(page, 2)
    await card(page, "notes.jpg").click()
    await expect(page.get_by_role("alert")).to_contain_text("unsupported_image_type")
    await expect(card(page, "koala.jpg")).to_contain_text("completed")
    await page.get_by_text("Only what has failed (1)").click()
    await expect(card(page, "koala.jpg")).to_have_count(0)


async def test_what_is_refused_for_now_is_sent_again_when_the_service_says(
    page: Page, service: Service
) -> None:
    refused: list[str] = []
    is_seen = False

    async def refuse_until_seen(route: Route) -> None:
        if is_seen and len(refused) >= 2:
            await route.continue_()
            return
        refused.append(route.request.headers["idempotency-key"])
        problem = {"code": "queue_full", "title": "The queue is full", "detail": "Come back."}
        await route.fulfill(status=503, headers={"Retry-After": "1"}, json=problem)

    await page.route("**/predict_async", refuse_until_seen)
    await open_view(page, service)
    await give(page, sent("koala.jpg", photo()))
    await expect(card(page, "koala.jpg")).to_contain_text("The queue is full")
    assert await page.evaluate(ASKS_BEFORE_LEAVING)
    is_seen = True
    await all_done(page, 1)
    assert not await page.evaluate(ASKS_BEFORE_LEAVING)
    await expect(card(page, "koala.jpg")).to_contain_text("completed")
    assert len(refused) >= 2
    assert len(set(refused)) == 1


async def test_a_known_result_is_computed_anew_when_asked(page: Page, service: Service) -> None:
    await open_view(page, service)
    await compose(page, "deblur")
    data = distinct(photo("castle.jpg"), 5)
    await give(page, sent("first.jpg", data))
    await all_done(page, 1)
    await give(page, sent("second.jpg", data))
    await all_done(page, 2)
    await expect(page.get_by_text("from the cache", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Compute anew").click()
    await expect(page.get_by_role("img", name="Time by stage")).to_be_visible()
    [job] = await latest_jobs(service, 1)
    assert (job["filename"], job["from_cache"]) == ("second.jpg", False)


async def test_the_same_pictures_are_run_again_as_is_chosen_now(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    await compose(page, "grayscale")
    await give(page, sent("koala.jpg", photo()), sent("castle.jpg", photo("castle.jpg")))
    await all_done(page, 2)
    await page.get_by_role("button", name="Remove grayscale").click()
    await expect(page.get_by_role("button", name="Run again")).to_be_disabled()
    await page.get_by_role("button", name="split", exact=True).click()
    await page.get_by_role("button", name="Run again").click()
    pieces = page.get_by_role("list", name="Pieces, in reading order").get_by_role("img")
    await expect(pieces).to_have_count(4)
    await all_done(page, 2)
    jobs = await latest_jobs(service, 2)
    assert {job["filename"] for job in jobs} == {"koala.jpg", "castle.jpg"}
    assert all(len(job["result"]["outputs"]) == 4 for job in jobs)


async def test_all_is_saved_as_one_zip_by_itself_when_asked(page: Page, service: Service) -> None:
    await open_view(page, service)
    await compose(page, "sobel")
    names = ["koala.jpg", "castle.jpg", "koala.jpg"]
    await give(page, sent(names[0], photo("koala.jpg")))
    await all_done(page, 1)
    await page.get_by_label("Download the zip by itself").check()
    async with page.expect_download() as saved:
        await give(page, *(sent(name, photo(name)) for name in names[1:]))
    archive = ZipFile(await (await saved.value).path())
    assert archive.namelist() == ["results.json", "koala.jpg", "castle.jpg", "koala-2.jpg"]
    told = json.loads(archive.read("results.json"))
    async with httpx.AsyncClient(base_url=service.url) as client:
        for job, name in zip(told, archive.namelist()[1:], strict=True):
            made = (await client.get(job["result"]["url"])).raise_for_status().content
            assert archive.read(name) == made


async def test_details_are_reached_from_a_long_list_and_left_again(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    names = [f"{number:02}.jpg" for number in range(24)]
    await give(page, *(sent(name, photo()) for name in names))
    await all_done(page, len(names))
    chosen = card(page, names[-1])
    await chosen.click()
    heading = page.get_by_role("heading", name=names[-1])
    await expect(heading).to_be_focused()
    await expect(heading).to_be_in_viewport()
    await page.get_by_role("button", name="Back to the list").click()
    await expect(chosen).to_be_focused()
    await expect(chosen).to_be_in_viewport()


async def test_the_focus_stays_near_when_what_had_it_is_taken_away(
    page: Page, service: Service
) -> None:
    await open_view(page, service)
    await compose(page, "blur", "sobel")
    add = page.get_by_role("group", name="Add an operation").get_by_role("button")
    for next_one in (page.get_by_role("button", name="Remove sobel"), add.first):
        await page.get_by_role("button", name="Remove").first.press("Enter")
        await expect(next_one).to_be_focused()
    await give(page, sent("koala.jpg", photo()))  # refused: there is no operation
    await page.get_by_role("button", name="grayscale", exact=True).press("Enter")
    await page.get_by_role("button", name="Dismiss").press("Enter")
    await expect(page.get_by_role("button", name="grayscale", exact=True)).to_be_focused()
    await give(page, sent("notes.jpg", b"no picture at all"))
    await all_done(page, 1)
    await page.get_by_role("button", name="Clear").press("Enter")
    await expect(page.locator("input[type=file]")).to_be_focused()


async def test_one_picture_is_saved_under_its_name(page: Page, service: Service) -> None:
    await open_view(page, service)
    await compose(page, "grayscale")
    await page.get_by_label("Output format").select_option("WebP")
    await give(page, sent("Köln & Bär.jpg", photo("castle.jpg")))
    await all_done(page, 1)
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Download", exact=True).click()
    assert (await saved.value).suggested_filename == "Köln & Bär.webp"


async def test_pictures_stay_while_other_views_are_shown(page: Page, service: Service) -> None:
    await open_view(page, service)
    await give(page, sent("koala.jpg", photo()))
    await page.get_by_role("link", name="Live").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Live")
    await page.get_by_role("link", name="Try it").click()
    await all_done(page, 1)


async def test_nothing_is_asked_while_nobody_looks(tab: Tab, service: Service) -> None:
    page = tab.page
    await page.clock.install()
    await open_view(page, service)
    await give(page, sent("koala.jpg", photo()))
    await all_done(page, 1)
    await page.evaluate(SHOW, False)
    tab.requests.clear()
    await page.clock.run_for(60_000)
    assert not tab.requests
    async with page.expect_request("**/readyz"):
        await page.evaluate(SHOW, True)


async def test_the_view_keeps_nobody_out(page: Page, service: Service) -> None:
    await open_view(page, service)
    await take_pictures(page, "try-empty")
    await compose(page, "resize", "sobel")
    await page.get_by_label("size", exact=True).fill("80%")
    await page.get_by_label("tiles").fill("3")
    names = ("castle.jpg", "koala.jpg", "red_panda.jpg", "scarlet_macaw.jpg", "honey_bee.jpg")
    await give(page, *(sent(name, photo(name)) for name in names))
    await all_done(page, len(names))
    await expect(page.locator(".tile-band")).to_have_count(3)
    assert not await violations_everywhere(page)
    await page.get_by_role("button", name="Dismiss").first.click()
    await take_pictures(page, "try-operations")
    await page.get_by_text("Pipeline", exact=True).first.click()
    await page.get_by_role("button", name="Run again").click()
    await expect(page.get_by_role("list", name="Labels, the likeliest first")).to_be_visible()
    await all_done(page, len(names))
    assert not await violations_everywhere(page)
    await take_pictures(page, "try-labels")
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await overflow_px(page) <= 0
