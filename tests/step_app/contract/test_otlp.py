import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from step_app.contract import otlp
from step_app.contract.export import traces_url
from step_app.contract.otlp import OtlpTracer
from step_app.contract.spans import SpanKind, record
from step_app.contract.trace_context import TraceContext
from tests.collector import Collector, Seen, collecting

SAMPLED = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1, "vendor=1")
UNSAMPLED = TraceContext(SAMPLED.trace_id, SAMPLED.span_id, 0)
NOBODY = "http://127.0.0.1:9/v1/traces"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as opened:
        yield opened


@contextmanager
def tracing(url: str, counted: Counter[str] | None = None) -> Iterator[OtlpTracer]:
    """Trace until the end of the block; what waits then is sent."""
    outcomes = Counter[str]() if counted is None else counted
    tracer = OtlpTracer(
        url,
        resource={"service.name": "test"},
        on_spans=lambda outcome, count: outcomes.update({outcome: count}),
    )
    try:
        yield tracer
    finally:
        tracer.close()


def seen_of(collector: Collector, name: str) -> Seen:
    (found,) = collector.named(name)
    return found


def test_a_span_arrives_as_it_was_begun_and_ended(collector: Collector) -> None:
    with tracing(f"{collector.url}/v1/traces") as tracer:
        span = tracer.begin(
            "work", parent=SAMPLED, kind=SpanKind.CLIENT, attributes={"a": 1}, at=1000.5
        )
        span.note({"b": "two", "c": True})
        span.end(at=1001.25)
    found = seen_of(collector, "work")
    assert (found.service, found.kind) == ("test", "client")
    assert (found.trace_id, found.parent_id) == (SAMPLED.trace_id, SAMPLED.span_id)
    assert (found.began_at, found.ended_at) == (1000.5, 1001.25)
    assert found.attributes == {"a": 1, "b": "two", "c": True}
    assert (found.state, found.error) == ("vendor=1", "")


def test_what_a_span_causes_is_its_child(collector: Collector) -> None:
    with tracing(f"{collector.url}/v1/traces") as tracer, tracer.begin("a", parent=None) as a:
        assert a.context is not None
        assert a.context.is_sampled
        record(tracer, "b", parent=a.context, began_at=1.0, ended_at=2.0)
    outer, inner = seen_of(collector, "a"), seen_of(collector, "b")
    assert not outer.parent_id
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert a.context.span_id == outer.span_id


def test_an_error_gives_the_span_its_code(collector: Collector) -> None:
    with tracing(f"{collector.url}/v1/traces") as tracer:
        with pytest.raises(ValueError, match="no"), tracer.begin("broke", parent=SAMPLED):
            raise ValueError("no")
        told = tracer.begin("told", parent=SAMPLED)
        told.end(error="no_capacity")
        told.end()  # once is enough
    assert seen_of(collector, "broke").error == "ValueError"
    assert seen_of(collector, "told").error == "no_capacity"
    assert seen_of(collector, "told").attributes == {"error.type": "no_capacity"}


def test_what_its_client_does_not_record_is_not_recorded_but_goes_on(
    collector: Collector,
) -> None:
    with tracing(f"{collector.url}/v1/traces") as tracer:
        with tracer.begin("hidden", parent=UNSAMPLED) as span:
            assert not span.is_recorded
            assert span.context is not None
            assert span.context.trace_id == UNSAMPLED.trace_id
            assert not span.context.is_sampled
        tracer.begin("shown", parent=SAMPLED).end()
    assert [span.name for span in collector.seen] == ["shown"]


def test_the_environment_decides_on_samples_names_and_headers(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "belt")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with tracing(f"{collector.url}/v1/traces") as tracer:
        tracer.begin("root", parent=None).end()
        tracer.begin("child", parent=SAMPLED).end()
    assert [(span.name, span.service) for span in collector.seen] == [("child", "belt")]
    assert collector.headers[0]["authorization"] == "Bearer x"


def test_spans_that_nobody_takes_cost_no_time_and_are_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "MAX_WAITING", 600)
    monkeypatch.setattr(otlp, "CLOSE_S", 0.3)
    counted = Counter[str]()
    with caplog.at_level(logging.WARNING), tracing(NOBODY, counted) as tracer:
        for _ in range(2000):
            tracer.begin("work", parent=SAMPLED).end()
        began = time.monotonic()
    assert time.monotonic() - began < 5, "its end does not wait for the collector"
    assert counted["sent"] == 0
    assert counted["dropped"] >= 2000 - 2 * 600
    assert len([one for one in caplog.records if "cannot be sent" in one.message]) <= 1
    assert not [one for one in caplog.records if one.name.startswith("opentelemetry")]


def test_a_silent_collector_holds_nobody_up(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "MAX_WAITING", 512)
    monkeypatch.setattr(otlp, "CLOSE_S", 0.3)
    collector.may_answer.clear()
    counted = Counter[str]()
    with tracing(f"{collector.url}/v1/traces", counted) as tracer:
        for _ in range(1500):
            tracer.begin("work", parent=SAMPLED).end()
        assert counted == {"dropped": 1500 - 512}
    collector.may_answer.set()


def test_what_is_refused_is_counted_and_told_once_until_it_is_taken_again(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    counted = Counter[str]()
    with caplog.at_level(logging.INFO), tracing(f"{collector.url}/v1/traces", counted) as tracer:
        for _ in range(3):
            send_one(tracer, counted)
        assert counted == {"failed": 3}
        collector.status = 200
        send_one(tracer, counted)
        assert counted == {"failed": 3, "sent": 1}
    told = [one.message for one in caplog.records if "spans" in one.message]
    assert told == [
        "spans cannot be sent: the collector does not take them",
        "spans can be sent again",
    ]


def send_one(tracer: OtlpTracer, counted: Counter[str]) -> None:
    """Trace something, and wait until the collector has answered."""
    before = counted.total()
    tracer.begin("work", parent=SAMPLED).end()
    ends_at = time.monotonic() + 10
    while counted.total() == before:
        assert time.monotonic() < ends_at, "the collector was not asked"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("environment", "endpoint", "url"),
    [
        ({}, None, None),
        ({}, "http://c:4318", "http://c:4318/v1/traces"),
        ({}, "http://c:4318/otlp/", "http://c:4318/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e"}, None, "http://e/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://e"}, "http://c", "http://c/v1/traces"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://e",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x",
            },
            None,
            "http://t/x",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, None, None),
        ({"OTEL_SDK_DISABLED": "TRUE"}, "http://c", None),
        ({"OTEL_TRACES_EXPORTER": "none"}, "http://c", None),
    ],
)
def test_where_spans_go(environment: dict[str, str], endpoint: str | None, url: str | None) -> None:
    assert traces_url(environment, endpoint=endpoint) == url
