"""One trace from the submission through every step, at a collector that speaks real OTLP."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collector import Collector, Seen, collecting
from tests.end_to_end.receiver import receiving
from tests.end_to_end.service import Service, distinct, photo, running, wait_until

CLIENTS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENTS_SPAN = "00f067aa0ba902b7"
TRACED = {
    "Content-Type": "image/jpeg",
    "traceparent": f"00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-01",
    "tracestate": "vendor=1",
}
CHAIN = {
    "name": "two",
    "steps": [
        {"step_id": 0, "type": "blur", "params": {}, "next_step": 1},
        {"step_id": 1, "type": "sobel", "params": {}},
    ],
}
FLAGS = ("--replicas", "0", "--operation-replicas", "1")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as opened:
        yield opened


@pytest.fixture(scope="module")
def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that exports, with a pipeline of two steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        flags = (*FLAGS, "--otlp-endpoint", collector.url)
        inside = ("--webhook-allow-http", "--webhook-allow-private")
        with running(tmp_path_factory.mktemp("traced") / "data", *flags, *inside) as service:
            make_pipeline(service)
            yield service


def make_pipeline(service: Service) -> None:
    httpx.post(f"{service.url}/pipeline", json=CHAIN, timeout=60).raise_for_status()
    path = f"{service.url}/pipeline/two"
    wait_until(lambda: httpx.get(path).json()["state"] == "ready", what=path, timeout_s=60)


def predict(service: Service, number: int, **options: Any) -> httpx.Response:
    headers = options.pop("headers", TRACED)
    return httpx.post(
        f"{service.url}/predict",
        params={"pipeline": "two", **options},
        content=distinct(photo(), number),
        headers=headers,
        timeout=60,
    )


def child(spans: list[Seen], parent: Seen, name: str) -> Seen:
    """The one span of this name that another has caused."""
    (found,) = [s for s in spans if s.name == name and s.parent_id == parent.span_id]
    assert parent.began_at - 0.05 <= found.began_at <= found.ended_at <= parent.ended_at + 0.05
    return found


def test_one_trace_goes_from_the_submission_through_every_step(
    traced: Service, collector: Collector
) -> None:
    answer = predict(traced, 1)
    assert answer.status_code == 200, answer.text
    job_id = answer.json()["request_id"]
    spans = collector.until(lambda seen: len(of_trace(seen, CLIENTS_TRACE)) >= 7)
    spans = of_trace(spans, CLIENTS_TRACE)
    (submission,) = [span for span in spans if span.parent_id == CLIENTS_SPAN]
    assert (submission.name, submission.kind) == ("POST /predict", "server")
    assert submission.service == "conveyor-dispatcher"
    assert submission.attributes["http.response.status_code"] == 200
    assert submission.attributes["conveyor.job.id"] == job_id
    queue = child(spans, submission, "queue")
    run = child(spans, submission, "run")
    assert queue.ended_at == pytest.approx(run.began_at, abs=1e-3)
    assert run.attributes["conveyor.job.state"] == "completed"
    for number, step_type in enumerate(("blur", "sobel")):
        stage = child(spans, run, f"stage {step_type}")
        assert stage.kind == "client"
        assert stage.attributes["conveyor.step.id"] == str(number)
        assert stage.attributes["conveyor.attempt"] == 1
        assert stage.attributes["conveyor.batch.size"] == 1
        ran = answer.json()["steps"][number]
        port = stage.attributes["server.port"]
        assert ran["replica"] == f"http://{stage.attributes['server.address']}:{port}"
        work = child(spans, stage, step_type)
        assert (work.service, work.kind) == ("conveyor-step", "server")
        assert work.attributes["conveyor.step.id"] == str(number)
        assert work.attributes["conveyor.batch.size"] == 1
    assert all(span.state == "vendor=1" and not span.error for span in spans)


def test_a_trace_begins_here_when_the_one_named_is_none(
    traced: Service, collector: Collector
) -> None:
    bad = {**TRACED, "traceparent": f"00-{CLIENTS_TRACE}-{'0' * 16}-01"}
    before = len(of_trace(collector.seen, CLIENTS_TRACE))
    job_id = predict(traced, 2, headers=bad).json()["request_id"]
    spans = collector.until(lambda seen: len(of_job(seen, job_id)) >= 3)
    (root,) = [s for s in of_job(spans, job_id) if s.name == "POST /predict"]
    assert not root.parent_id
    assert {s.trace_id for s in of_job(spans, job_id)} == {root.trace_id} != {CLIENTS_TRACE}
    assert len(of_trace(spans, CLIENTS_TRACE)) == before


def test_what_nobody_records_is_not_exported(traced: Service, collector: Collector) -> None:
    unsampled = "a" * 32
    headers = {**TRACED, "traceparent": f"00-{unsampled}-{CLIENTS_SPAN}-00"}
    assert predict(traced, 3, headers=headers).status_code == 200
    job_id = predict(traced, 4).json()["request_id"]
    spans = collector.until(lambda seen: len(of_job(seen, job_id)) >= 3)
    assert not of_trace(spans, unsampled)


def test_every_tile_is_traced(traced: Service, collector: Collector) -> None:
    trace_id = "b" * 32
    headers = {**TRACED, "traceparent": f"00-{trace_id}-{CLIENTS_SPAN}-01"}
    assert predict(traced, 5, headers=headers, tiles=3).status_code == 200
    spans = until_named(collector, trace_id, {"run": 1, "stage sobel": 3, "sobel": 3})
    (run,) = [span for span in spans if span.name == "run"]
    tiles = [span for span in spans if span.name == "stage sobel"]
    assert sorted(span.attributes["conveyor.tile.index"] for span in tiles) == [0, 1, 2]
    assert {span.parent_id for span in tiles} == {run.span_id}
    works = [span for span in spans if span.name == "sobel"]
    assert {work.parent_id for work in works} == {tile.span_id for tile in tiles}


def test_a_webhook_belongs_to_the_trace_of_its_job(traced: Service, collector: Collector) -> None:
    trace_id = "c" * 32
    headers = {**TRACED, "traceparent": f"00-{trace_id}-{CLIENTS_SPAN}-01"}
    with receiving() as receiver:
        answer = predict(traced, 6, headers=headers, webhook_url=receiver.url)
        assert answer.status_code == 200, answer.text
        wait_until(lambda: receiver.requests, what="a webhook")
    spans = until_named(collector, trace_id, {"webhook": 1})
    (webhook,) = [span for span in spans if span.name == "webhook"]
    (told, _), *_ = receiver.requests
    assert told["traceparent"] == f"00-{trace_id}-{webhook.span_id}-01"
    assert webhook.attributes["http.response.status_code"] == 204


def test_a_job_that_fails_says_why_in_its_trace(traced: Service, collector: Collector) -> None:
    trace_id = "d" * 32
    headers = {**TRACED, "traceparent": f"00-{trace_id}-{CLIENTS_SPAN}-01"}
    broken = photo()[:9000]  # its head is whole, its pixels are not
    answer = httpx.post(
        f"{traced.url}/predict",
        params={"pipeline": "two"},
        content=broken,
        headers=headers,
        timeout=60,
    )
    code = answer.json()["error"]["code"]
    names = ("POST /predict", "run", "stage blur", "blur")
    spans = until_named(collector, trace_id, dict.fromkeys(names, 1))
    errors = {span.name: span.error for span in spans}
    assert errors["run"] == errors["stage blur"] == errors["blur"] == code
    assert not errors["POST /predict"], "the request was answered as it should be"


def test_what_became_of_the_spans_is_counted(traced: Service) -> None:
    assert predict(traced, 7).status_code == 200
    wait_until(lambda: spans_of(traced, "sent") > 0, what="that spans were counted")
    assert spans_of(traced, "dropped") == spans_of(traced, "failed") == 0


def test_without_a_collector_everything_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with running(tmp_path / "data", *FLAGS, "--otlp-endpoint", "http://127.0.0.1:9") as away:
        make_pipeline(away)
        assert [predict(away, number).status_code for number in range(3)] == [200] * 3
        wait_until(lambda: spans_of(away, "failed") > 0, what="that somebody noticed")
        assert predict(away, 3).status_code == 200
        assert away.stop(signal.SIGTERM) == 0


def of_trace(spans: Any, trace_id: str) -> list[Seen]:
    return [span for span in spans if span.trace_id == trace_id]


def of_job(spans: Any, job_id: str) -> list[Seen]:
    return [span for span in spans if span.attributes.get("conveyor.job.id") == job_id]


def until_named(collector: Collector, trace_id: str, numbers: dict[str, int]) -> list[Seen]:
    """The spans of a trace, once so many of each name have come: each process sends its own."""

    def are_here(seen: Any) -> bool:
        names = Counter(span.name for span in of_trace(seen, trace_id))
        return all(names[name] >= number for name, number in numbers.items())

    return of_trace(collector.until(are_here), trace_id)


def spans_of(service: Service, outcome: str) -> float:
    prefix = f'dispatcher_trace_spans_total{{outcome="{outcome}"}} '
    lines = httpx.get(f"{service.url}/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith(prefix)]
    return float(line.removeprefix(prefix))
