"""What is traced of an image in a replica, and whether anybody sees it."""

import os
import uuid
from asyncio import Future
from collections.abc import Mapping
from functools import partial

from step_app.contract.export import OUTCOMES, STEP_SERVICE, traces_url
from step_app.contract.spans import NO_TRACING, Span, SpanKind, Tracer, error_code
from step_app.contract.trace_context import (
    TRACEPARENT,
    TRACESTATE,
    TraceContext,
    begun_by,
    read_trace,
)
from step_app.errors import StepError
from step_app.metrics import StepMetrics
from step_app.runner import StepResult
from step_app.settings import StepConfig

_CANCELLED = "cancelled"


class StepTracing:
    """Begins the spans of one replica."""

    def __init__(self, config: StepConfig, *, tracer: Tracer) -> None:
        self.tracer = tracer
        self._name = config.type
        self._described = {
            "conveyor.pipeline.id": config.pipeline_id,
            "conveyor.step.id": config.step_id,
            "conveyor.step.type": config.type,
        }

    def begin(
        self, parent: TraceContext | None, *, kind: SpanKind = SpanKind.SERVER, name: str = ""
    ) -> Span:
        """Begin the span of an image, or of a part of the work on it; named after the step."""
        span = self.tracer.begin(name or self._name, parent=parent, kind=kind)
        if span.is_recorded:
            span.note(self._described)
        return span


def create_tracing(config: StepConfig, metrics: StepMetrics) -> StepTracing:
    """Return what records spans: nothing, and without loading anything for it, unless told."""
    url = traces_url(os.environ)
    if url is None:
        return StepTracing(config, tracer=NO_TRACING)
    from step_app.contract.otlp import OtlpTracer  # noqa: PLC0415 - only when it is used

    for outcome in OUTCOMES:
        metrics.trace_spans.labels(outcome)  # a rate needs something that it began with
    tracer = OtlpTracer(
        url,
        resource={"service.name": STEP_SERVICE},
        on_spans=lambda outcome, count: metrics.trace_spans.labels(outcome).inc(count),
    )
    return StepTracing(config, tracer=tracer)


def end_with(span: Span, result: "Future[StepResult]") -> None:
    """End a span when the work on an image does."""
    if span.is_recorded:
        result.add_done_callback(partial(_end, span))


def trace_of(headers: Mapping[str, str]) -> TraceContext | None:
    """Return the trace that a request names; None when it names none."""
    return read_trace(headers.get(TRACEPARENT), headers.get(TRACESTATE, ""))


def new_trace() -> TraceContext | None:
    """Return a trace that begins here and that nobody records."""
    return begun_by(str(uuid.uuid4()))


def _end(span: Span, done: "Future[StepResult]") -> None:
    if done.cancelled():
        span.end(error=_CANCELLED)
        return
    error = done.exception()
    if error is not None:
        span.end(error=error_code(error))
        return
    result = done.result()
    span.note(
        {
            "conveyor.batch.size": result.batch_size,
            "conveyor.wait_s": result.waited_s,
            "conveyor.step.duration_s": result.duration_s,
        }
    )
    span.end(error=result.outcome.code if isinstance(result.outcome, StepError) else "")
