"""Structured logs on standard error: for people on a terminal, JSON lines elsewhere."""

import logging
import sys
from contextvars import ContextVar
from typing import Final

import structlog

from dispatcher.jobs import Job

_CONTROLS: Final = {
    **{number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0))},
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
"""What could begin a line of its own, or speak to a terminal."""

_subject: ContextVar[tuple[str, str]] = ContextVar("subject", default=("", ""))
"""The job that this task is at work on, and its trace."""


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send the standard library's log records through structlog; control characters escape."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _add_trace,
        _escape_controls,
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells every change
    for name in ("aiormq", "aio_pika"):  # what matters of it is told in fewer words
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_about(job: Job) -> None:
    """Have what this task logs of a job from now on name the job's trace, too."""
    if job.trace is not None:
        _subject.set((job.id, job.trace.trace_id))


def about(job: Job) -> dict[str, str]:
    """Return what an entry of the log says of the job that it is about."""
    if job.trace is None:
        return {"job_id": job.id}
    return {"job_id": job.id, "trace_id": job.trace.trace_id}


def _add_trace(
    _: structlog.types.WrappedLogger, __: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Name the trace of the job that this task is at work on, but not in entries about others."""
    job_id, trace_id = _subject.get()
    if job_id and event.get("job_id") == job_id:
        event.setdefault("trace_id", trace_id)
    return event


def _escape_controls(
    _: structlog.types.WrappedLogger, __: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Escape control characters: what somebody has sent can forge no line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = value.translate(_CONTROLS)
    return event
