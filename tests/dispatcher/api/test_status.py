import json
from typing import Any

import httpx
import pytest

from dispatcher.jobs import CachedResult, JobState
from dispatcher.pools.client import ReadyReport
from dispatcher.telemetry.figures import CacheOutcome
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.records import completed, failed, make_job

GROUPS = {
    "cache_metrics": {
        "cache_hit_rate",
        "cache_hits",
        "hit_rate",
        "hits",
        "max_size",
        "misses",
        "size",
        "utilization",
        "coalesced",
        "bytes",
    },
    "health_metrics": {"error_rate", "last_request_timestamp", "uptime"},
    "performance_metrics": {
        "avg_processing_time",
        "avg_queue_time",
        "throughput",
        "p50_latency",
        "p95_latency",
        "p99_latency",
    },
    "queue_metrics": {"peak_queue_size", "queue_capacity", "queue_utilization", "oldest_age"},
}
SINGLE = {
    "endpoint_url",
    "failed_requests",
    "queue_size",
    "stored_results",
    "successful_requests",
    "total_requests",
    "replicas",
    "pipelines",
}


async def read(http: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = check(await http.get("/status")).json()
    return document


async def test_every_key_of_the_wire_contract_is_there(http: httpx.AsyncClient) -> None:
    document = await read(http)
    assert document.keys() >= GROUPS.keys() | SINGLE
    for group, keys in GROUPS.items():
        assert document[group].keys() >= keys


async def test_a_service_that_did_nothing_says_so(http: httpx.AsyncClient) -> None:
    document = await read(http)
    assert document["total_requests"] == document["queue_size"] == document["stored_results"] == 0
    assert document["cache_metrics"]["hit_rate"] == document["health_metrics"]["error_rate"] == 0.0
    assert document["health_metrics"]["last_request_timestamp"] is None
    assert (document["endpoint_url"], document["replicas"]) == ("", [])
    assert document["pipelines"] == ["default"]
    json.dumps(document, allow_nan=False)


async def test_rates_are_percentages_of_what_happened(
    http: httpx.AsyncClient, services: Services
) -> None:
    for outcome, count in (
        (CacheOutcome.HIT, 5),
        (CacheOutcome.MISS, 3),
        (CacheOutcome.COALESCED, 1),
    ):
        for _ in range(count):
            services.figures.count_accepted(outcome)
    services.figures.count_accepted(CacheOutcome.BYPASS)
    for job in [completed(make_job())] * 8 + [failed(make_job())]:
        services.figures.count_ended(job)
    services.cache.put("key", CachedResult({}, (), "r1"))
    document = await read(http)
    cache = document["cache_metrics"]
    assert (cache["hits"], cache["misses"], cache["coalesced"]) == (5, 3, 1)
    assert cache["cache_hits"] == cache["hits"]
    assert cache["hit_rate"] == cache["cache_hit_rate"] == pytest.approx(55.56)
    assert (cache["size"], cache["max_size"], cache["utilization"]) == (1, 1000, 0.1)
    assert document["total_requests"] == 10
    assert (document["successful_requests"], document["failed_requests"]) == (8, 1)
    assert document["health_metrics"]["error_rate"] == pytest.approx(11.11)
    assert document["successful_requests"] == services.figures.ended[JobState.COMPLETED]


async def test_the_queue_is_told_as_it_is(http: httpx.AsyncClient, services: Services) -> None:
    await services.queue.put([make_job("a")])
    services.figures.note_queued(1, depth=2)
    document = await read(http)
    assert document["queue_size"] == 1
    assert document["queue_metrics"]["queue_capacity"] == 3
    assert document["queue_metrics"]["queue_utilization"] == pytest.approx(33.33)
    assert document["queue_metrics"]["peak_queue_size"] == 2
    assert document["queue_metrics"]["oldest_age"] >= 0


async def test_each_replica_is_told_with_its_load(
    http: httpx.AsyncClient, services: Services
) -> None:
    services.pools.apply({"default/0": ["http://127.0.0.1:1", "http://127.0.0.1:2"]})
    first, _ = services.pools.replicas()
    services.pools.get("default/0").apply_probe(
        first, ReadyReport(revision="r1", max_batch_size=4, description="")
    )
    first.served, first.ewma_latency_s = 3, 0.123456
    document = await read(http)
    assert document["endpoint_url"] == "http://127.0.0.1:1"
    assert document["replicas"] == [
        {
            "url": "http://127.0.0.1:1",
            "step": "default/0",
            "state": "ready",
            "ongoing": 0,
            "served": 3,
            "errors": 0,
            "max_batch_size": 4,
            "ewma_latency": 0.1235,
        },
        {
            "url": "http://127.0.0.1:2",
            "step": "default/0",
            "state": "starting",
            "ongoing": 0,
            "served": 0,
            "errors": 0,
            "max_batch_size": 1,
            "ewma_latency": None,
        },
    ]
