"""What is traced of a job, and whether anybody sees it.

::

    POST /predict_async ─┬─ queue
     (submission)        └─ run ─┬─ stage … ── the replica's own span
                                 ├─ stage …
                                 └─ webhook

A job that came with a trace belongs to that one, whether or not spans are exported. A stage is
traced for each try, and for each tile.
"""

import os
from typing import Final
from urllib.parse import urlsplit

from dispatcher.errors import StartupError
from dispatcher.jobs import Job
from dispatcher.settings import Settings
from dispatcher.telemetry.metrics import Metrics
from step_app.contract.export import OUTCOMES, traces_url
from step_app.contract.spans import NO_TRACING, Attributes, Span, Tracer, record

SERVICE: Final = "conveyor-dispatcher"
JOB_ID: Final = "conveyor.job.id"
PIPELINE_ID: Final = "conveyor.pipeline.id"


def export_url(settings: Settings) -> str | None:
    """Return where spans are sent; None when they are sent nowhere."""
    return traces_url(os.environ, endpoint=settings.otlp_endpoint)


def create_tracer(settings: Settings, metrics: Metrics) -> Tracer:
    """Return what records spans: nothing, and without loading anything for it, unless told.

    Raises:
        StartupError: OpenTelemetry's variables say what cannot be.
    """
    url = export_url(settings)
    if url is None:
        return NO_TRACING
    from step_app.contract.otlp import OtlpTracer  # noqa: PLC0415 - only when it is used

    for outcome in OUTCOMES:
        metrics.trace_spans.labels(outcome)  # a rate needs something that it began with
    try:
        return OtlpTracer(
            url,
            resource={"service.name": SERVICE},
            on_spans=lambda outcome, count: metrics.trace_spans.labels(outcome).inc(count),
        )
    except ValueError as exc:
        raise StartupError(f"a variable OTEL_... cannot be: {exc}") from exc


def begin_run(tracer: Tracer, job: Job) -> Span:
    """Begin the span of the work on a job that was taken off the queue; note how long it waited.

    Args:
        tracer: records both.
        job: as it was started.
    """
    run = tracer.begin("run", parent=job.trace, at=job.started_at)
    if not run.is_recorded:
        return run
    described: Attributes = {
        JOB_ID: job.id,
        PIPELINE_ID: job.pipeline_id,
        "conveyor.priority": job.priority.name.lower(),
    }
    run.note(described)
    record(
        tracer,
        "queue",
        parent=job.trace or run.context,
        began_at=job.queued_at,
        ended_at=job.started_at,
        attributes=described,
    )
    return run


def end_run(run: Span, ended: Job) -> None:
    """End the span of the work on a job as the job has ended."""
    if run.is_recorded:
        run.note({"conveyor.job.state": ended.state.value, "conveyor.attempts": ended.attempts})
    run.end(error="" if ended.error is None else ended.error.code)


def record_shared(tracer: Tracer, follower: Job, leader: Job) -> None:
    """Record that a job has waited for an identical one and ended like that, just now."""
    record(
        tracer,
        "shared run",
        parent=follower.trace,
        began_at=follower.queued_at,
        attributes={
            JOB_ID: follower.id,
            PIPELINE_ID: follower.pipeline_id,
            "conveyor.leader.id": leader.id,
            "conveyor.job.state": leader.state.value,
        },
    )


def server_attributes(url: str) -> Attributes:
    """Return whom a call goes to, by OpenTelemetry's names; nothing where that is unknown."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return {}
    if parts.port is None:
        return {"server.address": parts.hostname}
    return {"server.address": parts.hostname, "server.port": parts.port}
