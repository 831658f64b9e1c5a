"""The view "Experiments": threads on one picture, a load run's report, a schedule replayed."""

import json
from typing import Any

import pytest
from playwright.async_api import FilePayload, Locator, Page, expect

from load_tester.report.document import build_report
from tests.end_to_end.service import Service, distinct, photo
from tests.load_tester.report.sample_run import make_run
from tests.page.browsing import (
    ASKS_BEFORE_LEAVING,
    open_view,
    overflow_px,
    take_pictures,
    violations_everywhere,
)
from tests.page.trying import latest_jobs, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


async def give(card: Locator, *files: FilePayload) -> None:
    await card.locator("input[type=file]").set_input_files(files)


async def figures(card: Locator) -> dict[str, str]:
    """Return the large figures of a card by their names."""
    names = await card.locator(".figures dt").all_inner_texts()
    values = await card.locator(".figures dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def report() -> dict[str, Any]:
    """The report of a run that has something of everything."""
    return build_report(make_run())


def report_file(document: object, name: str = "report.json") -> FilePayload:
    return sent(name, json.dumps(document).encode(), "application/json")


async def measure(page: Page, *, threads: str) -> Locator:
    found = card(page, "Threads")
    await give(found, sent("koala.jpg", photo("koala.jpg")))
    await found.get_by_label("Threads").fill(threads)
    await found.get_by_label("Repeats").fill("3")
    await found.get_by_label("Passes").fill("2")
    await found.get_by_role("button", name="Measure").click()
    return found


async def test_threads_are_measured_and_told_as_the_api_does(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = await measure(page, threads="1, 2, 4")
    rows = found.get_by_role("region", name="Times by threads").locator("tbody tr")
    await expect(rows).to_have_count(3)
    [job] = await latest_jobs(service, 1)
    timings = job["result"]["timings"]
    assert [timing["repeats"] for timing in timings] == [3, 3, 3]
    assert [timing["passes"] for timing in timings] == [2, 2, 2]
    for index, timing in enumerate(timings):
        cells = await rows.nth(index).locator("td").all_inner_texts()
        assert cells[0] == str(timing["threads"])
        assert float(cells[3]) == pytest.approx(timing["speed_up"], abs=0.0051)
    await expect(found.get_by_text("by Amdahl's law")).to_be_visible()
    await expect(found.get_by_role("img", name="Execution time")).to_be_visible()
    await found.get_by_text("Speed-up: as a table").click()
    table = found.get_by_role("region", name="Speed-up: figures")
    await expect(table.locator("th")).to_have_text(["threads", "measured", "Amdahl's law", "ideal"])


async def test_threads_that_cannot_be_are_said_at_the_field(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = await measure(page, threads="1, 99")
    await expect(found.get_by_role("alert")).to_have_text("99 is not a whole number from 1 to 32.")
    await expect(found.get_by_label("Threads")).to_have_attribute("aria-invalid", "true")


async def test_a_report_is_shown_with_its_own_figures(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = card(page, "A load run's report")
    document = report()
    await give(found, report_file(document))
    await expect(found.get_by_text(document["verdict"]["level"], exact=True)).to_be_visible()
    shown = await figures(found)
    for name in ("scheduled", "sent", "ok", "failed"):
        if name in shown:
            assert shown[name] == f"{document['counts'][name]:,}"
    assert shown["ok"] == str(document["counts"]["ok"])
    for objective in document["objectives"]:
        await expect(found.get_by_text(objective["sentence"])).to_be_visible()
    await found.get_by_text("Images by second: as a table").click()
    rows = found.get_by_role("region", name="Images by second: figures").locator("tbody tr")
    await expect(rows).to_have_count(len(document["seconds"]))
    cells = await rows.first.locator("td").all_inner_texts()
    first = document["seconds"][0]
    assert cells[1:] == [str(first[key]) for key in ("target", "sent", "completed", "failed")]


async def test_a_file_that_is_no_report_is_refused_in_words(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = card(page, "A load run's report")
    await give(found, report_file({"version": 2}, "other.json"))
    await expect(found.get_by_role("alert")).to_contain_text("other.json: This is no report")
    await give(found, report_file(report() | {"version": 99}))
    await expect(found.get_by_role("alert")).to_contain_text("format 99")


async def test_a_schedule_is_replayed(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = card(page, "Replay a schedule")
    pictures = [
        sent(f"{number}.jpg", distinct(photo("koala.jpg"), 9_000 + number)) for number in range(2)
    ]
    await give(found, *pictures)
    await found.get_by_label("Pictures in each second").fill("[2, 3]")
    await found.get_by_role("button", name="Replay").click()
    await expect(found.get_by_text("5 of 5 completed")).to_be_visible()
    shown = await figures(found)
    assert [shown[name] for name in ("Target", "Sent", "Completed", "Failed")] == list("5550")
    jobs = await latest_jobs(service, 5)
    assert [job["filename"] for job in jobs].count("0.jpg") == 3
    assert not any(job["from_cache"] for job in jobs)
    await found.get_by_text("Pictures by second: as a table").click()
    rows = found.get_by_role("region", name="Pictures by second: figures").locator("tbody tr")
    targets = [await rows.nth(second).locator("td").nth(1).inner_text() for second in range(2)]
    assert targets == ["2", "3"]


async def test_a_replay_can_be_stopped(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = card(page, "Replay a schedule")
    await give(found, sent("koala.jpg", photo("koala.jpg")))
    await found.get_by_label("Pictures in each second").fill("1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1")
    await found.get_by_role("button", name="Replay").click()
    await expect(found.get_by_role("button", name="Stop")).to_be_visible()
    assert await page.evaluate(ASKS_BEFORE_LEAVING)
    await found.get_by_role("button", name="Stop").click()
    await expect(found.get_by_text("The replay has ended")).to_be_visible()
    assert not await page.evaluate(ASKS_BEFORE_LEAVING)
    assert (await figures(found))["Sent"] == "1"


async def test_a_schedule_that_cannot_be_is_said_at_the_field(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = card(page, "Replay a schedule")
    await give(found, sent("koala.jpg", photo("koala.jpg")))
    await found.get_by_label("Pictures in each second").fill("4, x")
    await found.get_by_role("button", name="Replay").click()
    await expect(found.get_by_role("alert")).to_contain_text("Entry 2 is not a whole number")


async def test_it_is_open_to_all(page: Page, service: Service) -> None:
    await open_view(page, service, "#/experiments")
    found = await measure(page, threads="1, 2, 4, 8")
    await expect(found.get_by_text("by Amdahl's law")).to_be_visible()
    await give(card(page, "A load run's report"), report_file(report()))
    await expect(page.get_by_role("list", name="Objectives")).to_be_visible()
    assert await violations_everywhere(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await overflow_px(page) == 0
    await take_pictures(page, "experiments")
