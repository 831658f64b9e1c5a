import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from load_tester.generator.scraper import Scraper, keep_lines, key_for, metrics_url, sum_families
from load_tester.pacing import now_s
from load_tester.settings import TargetSettings

TEXT = """\
# HELP dispatcher_jobs_total Jobs by outcome.
# TYPE dispatcher_jobs_total counter
dispatcher_jobs_total{outcome="completed"} 40.0
dispatcher_jobs_total{outcome="failed"} 2.0
dispatcher_jobs_created{outcome="failed"} 1.7e9
# TYPE dispatcher_queue_depth gauge
dispatcher_queue_depth 3.0
# TYPE dispatcher_queue_wait_seconds histogram
dispatcher_queue_wait_seconds_bucket{le="0.1"} 4.0
dispatcher_queue_wait_seconds_bucket{le="+Inf"} 5.0
dispatcher_queue_wait_seconds_count 5.0
dispatcher_queue_wait_seconds_sum 0.5
python_gc_objects_collected_total{generation="0"} 1234.0
"""
TOLD = {
    "dispatcher_jobs_total": 42.0,
    "dispatcher_queue_depth": 3.0,
    "dispatcher_queue_wait_seconds_count": 5.0,
    "dispatcher_queue_wait_seconds_sum": 0.5,
}


@asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], path: str = "/metrics"
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class Page:
    """A page of metrics that counts how often it was read."""

    def __init__(self, text: str = TEXT, *, status: int = 200, wanted: int = 2) -> None:
        self.text = text
        self.status = status
        self.wanted = wanted
        self.reads = 0
        self.keys: set[str | None] = set()
        self.enough = asyncio.Event()

    async def show(self, request: web.Request) -> web.Response:
        self.reads += 1
        self.keys.add(request.headers.get("Authorization"))
        if self.reads >= self.wanted:
            self.enough.set()
        return web.Response(text=self.text, status=self.status)


def test_samples_are_summed_over_their_labels_and_buckets_are_left_out() -> None:
    assert sum_families(TEXT)["dispatcher_jobs_total"] == 42.0
    assert sum_families(keep_lines(TEXT.encode())) == TOLD


def test_a_page_that_is_no_metrics_tells_nothing() -> None:
    assert sum_families(keep_lines(b"<html>dispatcher_</html>\n\xff")) == {}
    assert sum_families("dispatcher_queue_depth not a number") == {}


async def test_metrics_are_read_again_and_again_until_the_end() -> None:
    page = Page(wanted=3)
    start_s = now_s()
    async with serving(page.show) as url, Scraper(metrics_url(url), every_s=0.01) as scraper:
        await page.enough.wait()
    samples = scraper.collect(start_s)
    assert len(samples) >= 3
    assert all(sample.values == TOLD for sample in samples)
    assert samples[0].at_s < samples[-1].at_s
    assert page.keys == {None}


async def test_a_key_is_sent_where_there_is_one() -> None:
    page = Page(wanted=1)
    async with serving(page.show) as url, Scraper(metrics_url(url), api_key="k"):
        await page.enough.wait()
    assert page.keys == {"Bearer k"}


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("http://a/metrics", True),
        ("http://A:80/metrics", True),
        ("https://b/elsewhere", True),
        ("http://a:81/metrics", False),
        ("https://a/metrics", False),
        ("http://c/metrics", False),
    ],
)
def test_the_key_is_for_the_services_of_the_target_alone(url: str, is_own: bool) -> None:
    target = TargetSettings(urls=("http://a", "https://b:443"), api_key="k")
    assert key_for(url, target) == ("k" if is_own else None)


async def test_another_place_can_be_named() -> None:
    page = Page(wanted=1)
    async with serving(page.show, "/other/place") as url, Scraper(f"{url}/other/place") as scraper:
        await page.enough.wait()
    assert scraper.collect(0.0)


async def test_a_service_without_metrics_is_asked_once_and_nothing_is_said() -> None:
    page = Page(status=404, wanted=1)
    async with serving(page.show) as url, Scraper(metrics_url(url), every_s=0.001) as scraper:
        await page.enough.wait()
    assert page.reads == 1
    assert scraper.collect(0.0) == ()


async def test_a_service_that_is_not_there_is_silently_absent() -> None:
    async with Scraper("http://127.0.0.1:1/metrics", every_s=0.01) as scraper:
        await asyncio.sleep(0)
    assert scraper.collect(0.0) == ()


async def test_an_error_of_the_service_is_no_end() -> None:
    page = Page(status=503, wanted=2)
    async with serving(page.show) as url, Scraper(metrics_url(url), every_s=0.01) as scraper:
        await page.enough.wait()
        page.status, page.wanted = 200, page.reads + 2
        page.enough.clear()
        await page.enough.wait()
    assert scraper.collect(0.0)


async def test_what_was_read_before_the_run_is_left_out() -> None:
    page = Page(wanted=1)
    async with serving(page.show) as url, Scraper(metrics_url(url)) as scraper:
        await page.enough.wait()
    assert scraper.collect(now_s()) == ()
