"""Jobs that nobody wants any more, on real replicas: they stop, and the next ones begin."""

import io
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.service import Service, photo, wait_until

SLOW_PARAMS = {"method": "richardson_lucy", "sigma": 5, "iterations": 100}
SLOT_WITHIN_S = 0.2
"""How long the replica of a cancelled job may take until it works for somebody else."""


def noise(seed: int, *, side: int = 1200) -> bytes:
    """A picture whose deblurring takes many seconds; another one for each seed.

    Its channels are deblurred one by one, so that the steps of the work, between which it can be
    stopped, are small.
    """
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


@dataclass(frozen=True)
class Slow:
    """A pipeline with one replica that is slow and one behind it."""

    client: httpx.Client
    pipeline_id: str
    service: Service

    def send(self, image: bytes, **options: Any) -> str:
        """Send an image; return the URL of its result."""
        query = {"pipeline": self.pipeline_id, **options}
        headers = {"content-type": "image/png"}
        ticket = self.client.post("/predict_async", content=image, params=query, headers=headers)
        assert ticket.status_code == 202, ticket.text
        return str(ticket.json()["status_url"])

    def get(self, url: str, **query: Any) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(url, params=query).json()
        return document

    def state(self, url: str) -> str:
        return str(self.get(url)["status"])

    def until_processing(self, url: str) -> None:
        wait_until(lambda: self.state(url) == "processing", what=url, pause_s=0.01)
        replica = self.replicas()[0]
        wait_until(lambda: self.replicas()[0]["ongoing"] > 0, what=f"work of {replica['url']}")

    def replicas(self) -> list[dict[str, Any]]:
        """The slow replica and the one behind it."""
        own = [r for r in self.service.status()["replicas"] if self.pipeline_id in r["step"]]
        return sorted(own, key=lambda replica: str(replica["step"]))


@pytest.fixture(scope="module")
def slow(service: Service) -> Iterator[Slow]:
    steps = [{"type": "deblur", "params": SLOW_PARAMS}, {"type": "grayscale"}]
    with httpx.Client(base_url=service.url, timeout=60) as client:
        created = client.post("/pipeline", json={"name": "slow", "steps": steps})
        assert created.status_code == 201, created.text
        pipeline_id = created.json()["pipeline_id"]
        found = Slow(client, pipeline_id, service)
        wait_until(
            lambda: [r["state"] for r in found.replicas()] == ["ready", "ready"],
            what="both replicas",
        )
        yield found
        assert client.delete(f"/pipeline/{pipeline_id}").status_code == 200


def quick(seed: int) -> bytes:
    return noise(seed, side=8)


@pytest.mark.parametrize("by", ["DELETE", "deadline"])
def test_the_replica_of_a_job_that_has_ended_early_is_free_at_once(slow: Slow, by: str) -> None:
    beyond_own_s = [
        free_after_s(slow, by, seed=100 * number + len(by)) - own_time_s(slow)
        for number in range(3)
    ]
    assert statistics.median(beyond_own_s) < SLOT_WITHIN_S, beyond_own_s


def free_after_s(slow: Slow, by: str, *, seed: int) -> float:
    """End a job early; return when the one behind it has been worked on."""
    options = {} if by == "DELETE" else {"deadline_s": 3.0}
    url = slow.send(noise(seed), **options)
    slow.until_processing(url)
    waiting = slow.send(quick(seed))
    assert slow.get(waiting, wait=0.3)["status"] == "processing", "the replica is busy"
    if by == "DELETE":
        began = time.perf_counter()
        answer = slow.client.delete(url)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    else:
        assert slow.get(url, wait=10)["status"] == "expired"
        began = time.perf_counter()
    assert slow.get(waiting, wait=10)["status"] == "completed"
    return time.perf_counter() - began


def own_time_s(slow: Slow) -> float:
    """How long a quick job takes by itself."""
    began = time.perf_counter()
    assert slow.get(slow.send(quick(12), cache="false"), wait=10)["status"] == "completed"
    return time.perf_counter() - began


def test_later_stages_of_a_cancelled_job_never_run_and_no_replica_is_blamed(slow: Slow) -> None:
    served = slow.replicas()[1]["served"]
    urls = [slow.send(noise(seed)) for seed in (20, 21, 22)]
    slow.until_processing(urls[0])
    for url in urls:
        assert slow.client.delete(url).status_code == 200
    wait_until(lambda: all(not r["ongoing"] for r in slow.replicas()), timeout_s=2.0)
    assert slow.get(slow.send(quick(23)), wait=10)["status"] == "completed"
    first, second = slow.replicas()
    assert (first["errors"], first["state"]) == (0, "ready")
    assert second["served"] == served + 1, "for the quick one alone"
    assert {slow.state(url) for url in urls} == {"cancelled"}


def test_a_coalesced_sibling_still_gets_its_answer(slow: Slow) -> None:
    image = noise(30, side=300)
    leader = slow.send(image)
    sibling = slow.send(image)
    assert slow.client.delete(leader).status_code == 200
    document = slow.get(sibling, wait=30)
    assert (document["status"], document["coalesced"]) == ("completed", True)
    assert slow.state(leader) == "cancelled"
    assert slow.client.post(
        "/predict_async",
        content=image,
        params={"pipeline": slow.pipeline_id},
        headers={"content-type": "image/png"},
    ).json()["from_cache"]


def test_a_neighbour_in_the_same_request_is_not_held_up(slow: Slow) -> None:
    blocking = slow.send(noise(40))
    slow.until_processing(blocking)
    # These two travel together, behind the first.
    slow_one, quick_one = slow.send(noise(41)), slow.send(quick(42))
    assert slow.client.delete(blocking).status_code == 200
    wait_until(lambda: slow.state(slow_one) == "processing", pause_s=0.01)
    began = time.perf_counter()
    assert slow.client.delete(slow_one).status_code == 200
    assert slow.get(quick_one, wait=10)["status"] == "completed"
    assert time.perf_counter() - began < SLOT_WITHIN_S + own_time_s(slow)


def test_a_failed_job_is_listed_and_can_be_repeated(client: httpx.Client) -> None:
    damaged = photo()[:2000]
    ticket = client.post("/predict", content=damaged, headers={"content-type": "image/jpeg"})
    assert ticket.json()["status"] == "failed"
    listed = client.get("/results", params={"status": "failed", "limit": 1}).json()
    assert listed["results"][0]["request_id"] == ticket.json()["request_id"]
    again = client.post(f"/result/{ticket.json()['request_id']}/requeue")
    assert again.status_code == 202
    document = client.get(again.json()["status_url"], params={"wait": 20}).json()
    assert (document["status"], document["error"]) == ("failed", ticket.json()["error"])
    assert document["requeued_from"] == ticket.json()["request_id"]
