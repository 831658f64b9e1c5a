"""Spans sent to a collector by OTLP over HTTP, as protobuf, with OpenTelemetry's SDK.

The only module here that needs anything installed, and so one that nobody imports before export
is on: it takes a fifth of a second and 14 MB. What the SDK reads from the environment counts
(``OTEL_TRACES_SAMPLER``, ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_EXPORTER_OTLP_HEADERS`` and so on).

Nobody ever waits for a collector: spans wait in a bounded queue for a thread that sends them, and
what finds no place in it is counted and dropped.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from step_app.contract import spans
from step_app.contract.trace_context import TraceContext

_log = logging.getLogger(__name__)

MAX_WAITING: Final = 4096
"""Spans that wait to be sent, some twelve megabytes; more are dropped."""
CLOSE_S: Final = 1.0
"""How long the end of a process may wait for the last spans to be sent."""
_SCOPE: Final = "conveyor"
_UNNAMED: Final = "unknown_service"
_KINDS: Final = {kind: SpanKind[kind.name] for kind in spans.SpanKind}
_NS: Final = 1_000_000_000

OnSpans = Callable[[str, int], None]
"""Called from any thread with what became of spans (sent, failed, dropped), and of how many."""


class OtlpTracer:
    """A ``Tracer`` whose spans go to a collector."""

    def __init__(self, url: str, *, resource: Mapping[str, str], on_spans: OnSpans) -> None:
        """Begin to send.

        Args:
            url: where to, the path included.
            resource: what tells this process from others; the environment may say more.
            on_spans: counts what becomes of the spans.
        """
        session = requests.Session()
        session.trust_env = False  # no proxy, and no password file, that somebody set for others
        exporter = OTLPSpanExporter(url, session=session)
        self._exporter: SpanExporter = exporter
        gate = _Gate(on_spans)
        # What it says of each batch that fails is said once, in fewer words.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        gate.open(BatchSpanProcessor(_Counting(exporter, gate), max_queue_size=MAX_WAITING))
        self._provider = TracerProvider(resource=_merge(resource), shutdown_on_exit=False)
        self._provider.add_span_processor(gate)
        self._tracer = self._provider.get_tracer(_SCOPE)

    def begin(
        self,
        name: str,
        *,
        parent: TraceContext | None,
        kind: spans.SpanKind = spans.SpanKind.INTERNAL,
        attributes: spans.Attributes | None = None,
        at: float | None = None,
    ) -> spans.Span:
        """Begin a span."""
        return _OtlpSpan(
            self._tracer.start_span(
                name,
                # Never what happens to be the current one: the cause is always named.
                context=Context() if parent is None else _context(parent),
                kind=_KINDS[kind],
                attributes=attributes,
                start_time=None if at is None else int(at * _NS),
            ),
            state="" if parent is None else parent.state,
        )

    def close(self) -> None:
        """Send what waits, for a moment; what a silent collector has not taken then is lost."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            self._exporter.shutdown()  # wakes the thread that waits to try again


class _OtlpSpan:
    """A span of the SDK, under our own words."""

    __slots__ = ("_span", "context")

    def __init__(self, span: Span, *, state: str) -> None:
        self._span = span
        known = span.get_span_context()
        self.context: TraceContext | None = TraceContext(
            format_trace_id(known.trace_id),
            format_span_id(known.span_id),
            int(known.trace_flags),  # a class of its own, which no record could hold
            state,
        )

    @property
    def is_recorded(self) -> bool:
        """Say whether it is sampled, and has not ended."""
        return self._span.is_recording()

    def note(self, attributes: spans.Attributes) -> None:
        """Say more of it."""
        self._span.set_attributes(attributes)

    def end(self, *, error: str = "", at: float | None = None) -> None:
        """End it, once; an error gives it the status that says so."""
        if not self._span.is_recording():
            return
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end(None if at is None else int(at * _NS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end(error="" if error is None else spans.error_code(error))


class _Gate(SpanProcessor):
    """Lets no more spans wait than there is room for; whoever ends one never waits."""

    def __init__(self, on_spans: OnSpans) -> None:
        self._on_spans = on_spans
        self._inner: SpanProcessor = SpanProcessor()
        self._lock = threading.Lock()
        self._waiting = 0
        self._is_failing = False

    def open(self, inner: SpanProcessor) -> None:
        """Let spans go on to a processor from now on."""
        self._inner = inner

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or count it as dropped."""
        with self._lock:
            is_full = self._waiting >= MAX_WAITING
            self._waiting += not is_full
        if is_full:
            self._on_spans("dropped", 1)
        else:
            self._inner.on_end(span)

    def settle(self, count: int, *, is_sent: bool) -> None:
        """Take note of what became of spans; say so when it is not as before."""
        with self._lock:
            self._waiting -= count
        self._on_spans("sent" if is_sent else "failed", count)
        if self._is_failing is is_sent:
            self._is_failing = not is_sent
            if is_sent:
                _log.info("spans can be sent again")
            else:
                _log.warning("spans cannot be sent: the collector does not take them")

    def shutdown(self) -> None:
        """Send what waits."""
        self._inner.shutdown()


class _Counting(SpanExporter):
    """Tells the gate what became of each batch."""

    def __init__(self, inner: SpanExporter, gate: _Gate) -> None:
        self._inner = inner
        self._gate = gate

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._gate.settle(len(spans), is_sent=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._inner.shutdown()


def _merge(own: Mapping[str, str]) -> Resource:
    """Return what a process is; what the environment says of it counts for more."""
    found = Resource.create()
    merged = Resource(dict(own)).merge(found)
    if str(found.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        return merged.merge(Resource({SERVICE_NAME: own[SERVICE_NAME]}))
    return merged


def _context(parent: TraceContext) -> Context:
    return set_span_in_context(
        NonRecordingSpan(
            SpanContext(
                trace_id=int(parent.trace_id, 16),
                span_id=int(parent.span_id, 16),
                is_remote=True,
                trace_flags=TraceFlags(parent.flags),
                trace_state=TraceState.from_header([parent.state]) if parent.state else None,
            )
        ),
        Context(),
    )
