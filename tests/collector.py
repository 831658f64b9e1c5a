"""A collector of spans that takes OTLP over HTTP as protobuf, and tells what it got."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Value = str | int | float | bool


@dataclass(frozen=True)
class Seen:
    """One span as it arrived."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty where the trace begins."""
    state: str
    began_at: float
    ended_at: float
    """Unix seconds, like the other."""
    error: str
    """What its status says; empty when that is no error."""
    attributes: dict[str, Value]


@dataclass
class Collector:
    """What has come so far."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    """What it answers with."""
    may_answer: threading.Event = field(default_factory=threading.Event)
    """Unset while it answers nobody."""

    def until(
        self, condition: Callable[[Sequence[Seen]], bool], *, timeout_s: float = 30.0
    ) -> list[Seen]:
        """Return all spans as soon as a condition holds of them."""
        ends_at = time.monotonic() + timeout_s
        while not condition(self.seen):
            assert time.monotonic() < ends_at, "\n".join(map(str, self.seen))
            time.sleep(0.05)
        return list(self.seen)

    def named(self, name: str) -> list[Seen]:
        """Return the spans of this name."""
        return [span for span in self.seen if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect spans on a free port until the end of the block."""
    collector = Collector()
    collector.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a batch of spans."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.may_answer.wait(30)
            if collector.status == 200:
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/x-protobuf"
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector.headers.append({k.lower(): v for k, v in self.headers.items()})
                collector.seen += _read(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            try:
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except ConnectionError:  # whoever called has ended
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        collector.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _read(request: ExportTraceServiceRequest) -> list[Seen]:
    seen = []
    for group in request.resource_spans:
        resource = {pair.key: _value(pair.value) for pair in group.resource.attributes}
        seen += [
            _span(span, service=str(resource["service.name"]))
            for scope in group.scope_spans
            for span in scope.spans
        ]
    return seen


def _span(span: Span, *, service: str) -> Seen:
    is_error = span.status.code == Status.STATUS_CODE_ERROR
    return Seen(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        state=span.trace_state,
        began_at=span.start_time_unix_nano / 1e9,
        ended_at=span.end_time_unix_nano / 1e9,
        error=span.status.message if is_error else "",
        attributes={pair.key: _value(pair.value) for pair in span.attributes},
    )


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    assert kind is not None
    found: Value = getattr(value, kind)
    return found
