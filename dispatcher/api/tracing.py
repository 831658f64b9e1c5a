"""The trace that a submission belongs to, read from its head, and the span that records it."""

from collections.abc import MutableMapping
from typing import Any, Final

from dispatcher.api.asgi import Scope, Send
from dispatcher.jobs import Job
from dispatcher.telemetry.tracing import JOB_ID
from step_app.contract.spans import Span, SpanKind, Tracer
from step_app.contract.trace_context import (
    TRACEPARENT,
    TRACESTATE,
    TraceContext,
    read_trace,
)

_SPAN_KEY: Final = "conveyor.span"
"""Where a submission's span is in its request's scope."""
_SERVER_ERROR: Final = 500
_PARENT: Final = TRACEPARENT.encode()
_STATE: Final = TRACESTATE.encode()


def begin_submission(tracer: Tracer, scope: Scope) -> Span:
    """Begin the span of a submission, in the trace that its head names."""
    trace = read_headers(scope)
    span = tracer.begin(f"{scope['method']} {scope['path']}", parent=trace, kind=SpanKind.SERVER)
    scope[_SPAN_KEY] = span
    if span.is_recorded:
        span.note(
            {
                "http.request.method": scope["method"],
                "http.route": scope["path"],
                "url.path": scope["path"],
                "url.scheme": scope["scheme"],
            }
        )
    return span


def noting_status(span: Span, send: Send) -> Send:
    """Return what sends an answer and says in a span which one."""

    async def noting(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            span.note({"http.response.status_code": status})
            if status >= _SERVER_ERROR:
                span.end(error=str(status))
        await send(message)

    return noting


def trace_of(scope: Scope) -> TraceContext | None:
    """Return what the jobs of a submission belong to; None when nobody named a trace."""
    span: Span | None = scope.get(_SPAN_KEY)
    return read_headers(scope) if span is None else span.context


def note_job(scope: Scope, job: Job) -> None:
    """Say in the span of a submission what became of it."""
    span: Span | None = scope.get(_SPAN_KEY)
    if span is not None and span.is_recorded:
        span.note(
            {
                JOB_ID: job.id,
                "conveyor.from_cache": job.from_cache,
                "conveyor.coalesced": job.coalesced,
            }
        )


def log_fields(scope: Scope) -> dict[str, str]:
    """Return what the log says of a request that belongs to a trace."""
    trace = trace_of(scope)
    return {} if trace is None else {"trace_id": trace.trace_id}


def read_headers(scope: Scope) -> TraceContext | None:
    """Return the trace that a request names; two of them name none."""
    parents, states = [], []
    for name, value in scope["headers"]:
        if name == _PARENT:
            parents.append(value)
        elif name == _STATE:
            states.append(value)
    if len(parents) != 1:
        return None
    return read_trace(parents[0].decode("latin-1"), b",".join(states).decode("latin-1"))
