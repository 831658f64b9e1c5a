"""A real Prometheus looks at a real service: no panel of the shipped dashboard stays empty."""

import asyncio
import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.end_to_end.receiver import Receiver, receiving
from tests.end_to_end.service import Service, distinct, photo, running, wait_until
from tests.end_to_end.test_faults import many_scans
from tests.k8s.dashboards import panels, queries
from tests.servers.fixtures import prometheus_in
from tests.servers.processes import Guard
from tests.servers.prometheus import PrometheusServer, Target, promtool

_ROUNDS: Final = 2
"""A rate is of what happened between two looks: something has to come after the first."""
_FLAGS: Final = (
    *("--replicas", "1", "--max-replicas", "2", "--operation-replicas", "1"),
    *("--webhook-allow-http", "--webhook-allow-private"),
)
_GREY: Final = {"actions": json.dumps({"operations": [["grayscale", True], ["blur", "gaussian"]]})}


@dataclass(frozen=True)
class Watched:
    """A service that has been asked for everything, and a Prometheus that has seen the end."""

    service: Service
    prometheus: PrometheusServer
    status: Mapping[str, Any]
    """What /status said then."""


@pytest.fixture(scope="module")
def watched(
    service: Service, guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    # Its models are converted already, so that a start takes a second.
    shutil.copytree(service.data_dir / "models", folder / "data" / "models")
    with (
        prometheus_in(guard, folder / "prometheus") as prometheus,
        running(folder / "data", *_FLAGS) as own,
        receiving() as receiver,
    ):
        wait_until(lambda: _is_ready(own.status(), "operations/0"), what="a replica")
        targets = list(_targets(own))
        prometheus.scrape(targets)
        for number in range(_ROUNDS):
            _wait_for_look(prometheus, targets)
            asyncio.run(_use(own, receiver, number))
        status = own.status()
        _wait_for_look(prometheus, targets)
        yield Watched(own, prometheus, status)


@pytest.mark.parametrize("panel", [panel["title"] for panel in panels()])
def test_no_line_of_a_panel_is_empty(panel: str, watched: Watched) -> None:
    for query in queries():
        if query.panel == panel:
            samples = watched.prometheus.ask(query.text)
            assert any(math.isfinite(sample.value) for sample in samples), query.legend


def test_prometheus_says_what_status_says(watched: Watched) -> None:
    status, ask = watched.status, watched.prometheus.ask_one
    cache = status["cache_metrics"]
    said = {
        'sum(dispatcher_jobs_total{outcome="completed"})': status["successful_requests"],
        'sum(dispatcher_jobs_total{outcome="failed"})': status["failed_requests"],
        "sum(dispatcher_job_failures_total)": status["failed_requests"],
        "sum(dispatcher_cache_requests_total)": status["total_requests"],
        'sum(dispatcher_cache_requests_total{outcome="hit"})': cache["hits"],
        'sum(dispatcher_cache_requests_total{outcome="miss"})': cache["misses"],
        'sum(dispatcher_cache_requests_total{outcome="coalesced"})': cache["coalesced"],
        "max(dispatcher_queue_depth)": status["queue_size"],
        "max(dispatcher_blob_bytes)": status["storage_metrics"]["blob_bytes"],
        'sum(dispatcher_jobs_total{outcome="refused_unsupported_image_type"})': _ROUNDS,
        'sum(dispatcher_webhooks_total{outcome="delivered"})': _ROUNDS,
        'sum(step_failures_total{code="image_too_complex"})': _ROUNDS,
    }
    assert {query: ask(query) for query in said} == said
    assert all(said[query] for query in said if "queue_depth" not in query), "nothing was tried"


def test_every_stage_that_ran_was_timed_by_its_type(watched: Watched) -> None:
    found = watched.prometheus.ask("dispatcher_stage_duration_seconds_count")
    timed = {sample.labels["type"]: sample.value for sample in found}
    assert timed["grayscale"] == timed["blur"] == _ROUNDS
    assert timed["classifier"] == 2 * _ROUNDS, "the first and the one computed anew"


@pytest.mark.usefixtures("need_promtool")
def test_prometheus_has_nothing_against_the_names_of_the_metrics(watched: Watched) -> None:
    for target in _targets(watched.service):
        text = httpx.get(f"http://{target.address}/metrics").raise_for_status().content
        assert promtool("check", "metrics", said=text) == "", target


async def _use(service: Service, receiver: Receiver, number: int) -> None:
    """Send what is hit, missed, coalesced, computed anew, failed, refused, and painted."""

    def classify(image: bytes, **options: str) -> Any:
        return client.post("/predict", files={"image": ("k.jpg", image)}, data=options)

    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        image = distinct(photo(), number)
        first = await classify(image, webhook_url=receiver.url)
        again = await classify(image)
        anew = await classify(image, cache="false")
        broken = await classify(distinct(many_scans(2000), number))
        refused = await classify(b"no image")
        # Of two equal ones in one batch the second always finds the first in flight.
        grey = await client.post("/process", data=_GREY, files=[("files", ("k.jpg", image))] * 2)
        batch = await client.get(grey.json()["status_url"], params={"wait": 30})
    for answer in (first, again, anew):
        assert answer.json()["status"] == "completed", answer.text
    assert broken.json()["error"]["code"] == "image_too_complex"
    assert refused.status_code == 415
    assert batch.json()["counts"]["completed"] == 2
    told = f'dispatcher_webhooks_total{{outcome="delivered"}} {number + 1:.1f}'
    wait_until(lambda: told in httpx.get(f"{service.url}/metrics").text, what="the webhook")


def _is_ready(status: Mapping[str, Any], step: str) -> bool:
    return any(one["step"] == step and one["state"] == "ready" for one in status["replicas"])


def _targets(service: Service) -> Iterator[Target]:
    """Everything that has metrics, with the labels that monitors in a cluster give it."""
    yield Target(urlsplit(service.url).netloc)
    for replica in service.status()["replicas"]:
        pipeline_id, step_id = replica["step"].split("/")
        labels = {"pipeline_id": pipeline_id, "step_id": step_id}
        yield Target(urlsplit(replica["url"]).netloc, labels)


def _wait_for_look(prometheus: PrometheusServer, targets: list[Target]) -> None:
    """Return when Prometheus has seen what is true now, at each target."""
    now, addresses = time.time(), {target.address for target in targets}

    def has_looked() -> bool:
        looks = prometheus.last_looked_at()
        return looks.keys() == addresses and min(looks.values()) > now

    wait_until(has_looked, what="a look of Prometheus at everything", timeout_s=60)
