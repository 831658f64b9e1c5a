import re

import httpx

from tests.end_to_end.service import Service, distinct, photo


def test_status_has_every_key_of_the_contract(service: Service, client: httpx.Client) -> None:
    client.post("/predict", files={"image": ("a.jpg", distinct(photo(), 100))})
    status = service.status()
    assert set(status) == {
        "cache_metrics", "endpoint_url", "failed_requests", "cancelled_requests",
        "expired_requests", "health_metrics",
        "performance_metrics", "queue_metrics", "queue_size", "stored_results", "storage_metrics",
        "successful_requests", "total_requests", "replicas", "pipelines",
    }  # fmt: skip
    assert set(status["cache_metrics"]) == {
        "cache_hit_rate", "cache_hits", "hit_rate", "hits", "max_size", "misses", "size",
        "utilization", "coalesced", "bytes",
    }  # fmt: skip
    assert set(status["health_metrics"]) == {"error_rate", "last_request_timestamp", "uptime"}
    assert set(status["performance_metrics"]) == {
        "avg_processing_time", "avg_queue_time", "throughput",
        "p50_latency", "p95_latency", "p99_latency",
    }  # fmt: skip
    assert set(status["queue_metrics"]) == {
        "peak_queue_size", "queue_capacity", "queue_utilization", "oldest_age",
    }  # fmt: skip
    assert status["queue_metrics"]["queue_capacity"] == 200
    assert status["cache_metrics"]["max_size"] == 1000
    assert status["pipelines"] == ["default", "operations"]
    for replica in status["replicas"]:
        assert set(replica) == {
            "url", "step", "state", "ongoing", "served", "errors", "max_batch_size",
            "ewma_latency",
        }  # fmt: skip
        assert replica["state"] == "ready" or replica["step"] == "operations/0"


def test_status_and_metrics_tell_the_same(service: Service, client: httpx.Client) -> None:
    for number in range(3):
        client.post("/predict", files={"image": ("a.jpg", distinct(photo(), 200 + number))})
        client.post("/predict", files={"image": ("a.jpg", distinct(photo(), 200 + number))})
    status = service.status()
    figures = dict(
        line.rsplit(" ", 1)
        for line in client.get("/metrics").text.splitlines()
        if not line.startswith("#")
    )
    completed = float(figures['dispatcher_jobs_total{outcome="completed"}'])
    assert completed == status["successful_requests"]
    for name, outcome in (("hits", "hit"), ("misses", "miss"), ("coalesced", "coalesced")):
        counted = float(figures[f'dispatcher_cache_requests_total{{outcome="{outcome}"}}'])
        assert counted == status["cache_metrics"][name]
    assert float(figures["dispatcher_queue_depth"]) == status["queue_size"] == 0
    ready = float(figures['dispatcher_replicas{state="ready",step="default/0"}'])
    assert ready == sum(replica["step"] == "default/0" for replica in status["replicas"])
    for name in (
        "dispatcher_queue_wait_seconds_count", "dispatcher_job_duration_seconds_count",
        'dispatcher_replica_ongoing_requests{step="default/0"}', "frontend_request_seconds_count",
        "frontend_publish_total", "frontend_processed_total",
    ):  # fmt: skip
        assert name in figures


def test_probes_answer(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "healthy"}
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").json() == {"status": "ready", "reasons": []}


def test_openapi_names_every_call(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/predict_async", "/predict", "/result/{request_id}", "/result/{request_id}/requeue",
        "/result/{request_id}/events", "/results", "/health", "/livez", "/readyz",
        "/status", "/metrics", "/pipeline", "/pipeline/{pipeline}",
        "/pipeline/{pipeline}/steps/{step_id}", "/step-types", "/process", "/batch/{batch_id}",
        "/result/{request_id}/image", "/result/{request_id}/image/{piece}", "/static/{batch_id}",
        "/static/{batch_id}/",
        "/static/{batch_id}/{folder}/{name}", "/batch/{batch_id}/zip",
        "/queue", "/queue/purge", "/queue/requeue", "/", "/page/{name}",
    }  # fmt: skip


def test_the_documentation_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").raise_for_status().text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert assets
    for asset in assets:
        assert client.get(asset).status_code == 200
