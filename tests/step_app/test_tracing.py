"""The trace of an image in replicas: passed on by those that forward, recorded when told."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from step_app.contract.frames import BatchItem
from step_app.contract.trace_context import TraceContext, read_trace
from step_app.replica import Replica
from step_app.settings import Settings, StepConfig
from tests.collector import Collector, Seen, collecting
from tests.step_app.chaining import koala
from tests.step_app.in_process import send_batch, serving
from tests.step_app.running_pipeline import answering, pretending, running, step

TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1, "vendor=1")
PICTURE = answering(200, "image/png", koala(20))


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector to which replicas that begin now send their spans."""
    with collecting() as opened:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", opened.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield opened


def told_to_next_step(folder: Path, **headers: str) -> TraceContext | None:
    """Return the trace that a step names to the next one."""
    told: list[TraceContext | None] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        headers = handler.headers
        told.append(read_trace(headers.get("traceparent"), headers.get("tracestate", "")))
        PICTURE(handler, body)

    with running(folder, step("blur"), absent=[step("sobel")]) as chain, pretending(answer) as url:
        chain.put_record("1", url)
        assert chain.process(koala(), **headers).status_code == 200
    (found,) = told
    return found


def test_a_step_passes_on_the_trace_that_it_was_named(tmp_path: Path) -> None:
    assert told_to_next_step(tmp_path, **TRACE.headers()) == TRACE


@pytest.mark.parametrize("header", ["", "garbage"])
def test_a_new_trace_begins_where_none_was_named(tmp_path: Path, header: str) -> None:
    told = told_to_next_step(tmp_path, traceparent=header)
    assert told is not None
    assert not told.is_sampled, "nobody records it"
    assert told.trace_id != TRACE.trace_id


def child(spans: list[Seen], parent_id: str, name: str) -> Seen:
    (found,) = [one for one in spans if (one.parent_id, one.name) == (parent_id, name)]
    return found


def test_a_chain_that_runs_by_itself_is_one_trace(tmp_path: Path, collector: Collector) -> None:
    with running(tmp_path, step("blur"), step("sobel")) as chain:
        assert chain.process(koala(), **TRACE.headers()).status_code == 200
    spans = collector.seen
    first = child(spans, TRACE.span_id, "blur")
    child(spans, first.span_id, "compute")
    forwarded = child(spans, first.span_id, "forward sobel")
    second = child(spans, forwarded.span_id, "sobel")
    computed = child(spans, second.span_id, "compute")
    assert len(spans) == 5
    assert [one.kind for one in (first, forwarded, second)] == ["server", "client", "server"]
    assert {one.trace_id for one in spans} == {TRACE.trace_id}
    assert {one.service for one in spans} == {"conveyor-step"}
    assert computed.attributes["conveyor.step.id"] == "1"
    assert first.attributes["http.response.status_code"] == 200


async def test_every_image_of_a_batch_is_recorded_in_its_own_trace(collector: Collector) -> None:
    other = TraceContext("a" * 32, "b" * 16, 1)
    replica = Replica(StepConfig("p", "0", "blur", {}), Settings(step_threads=1))
    async with serving(replica) as client:
        replies = await send_batch(
            client,
            BatchItem("1", "koala.png", koala(), trace=TRACE),
            BatchItem("2", "koala.png", b"no image", trace=other),
            BatchItem("3", "koala.png", koala(), trace=TraceContext("c" * 32, "d" * 16)),
        )
    assert [reply.status for reply in replies] == [200, 415, 200]
    good, bad = sorted(collector.seen, key=lambda one: one.trace_id)
    assert (good.trace_id, good.parent_id, good.error) == (TRACE.trace_id, TRACE.span_id, "")
    assert (bad.trace_id, bad.parent_id) == (other.trace_id, other.span_id)
    assert bad.error
    assert good.attributes["conveyor.batch.size"] == 1
    assert good.state == "vendor=1"


async def test_a_step_that_breaks_names_the_trace_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(StepConfig("p", "0", "blur", {}), Settings(step_threads=1))
    async with serving(replica) as client:
        loaded, _ = replica.require()

        def fail(_: object) -> None:
            raise RuntimeError("no")

        monkeypatch.setattr(loaded, "run", fail)
        (reply,) = await send_batch(client, BatchItem("1", "k.png", koala(), trace=TRACE))
    assert reply.status == 500
    assert any(TRACE.trace_id in one.message for one in caplog.records)
