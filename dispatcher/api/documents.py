"""A job as the JSON of the wire contract."""

from datetime import UTC, datetime
from typing import Any

from dispatcher.jobs import Job


def ticket(job: Job, *, queue_size: int) -> dict[str, Any]:
    """Return the answer to a submission."""
    return {
        "request_id": job.id,
        "status_url": f"/result/{job.id}",
        "message": (
            "Result served from cache" if job.from_cache else "Request queued for processing"
        ),
        "queue_size": queue_size,
        "from_cache": job.from_cache,
    }


def result(job: Job, *, position: int | None, drain_rate: float) -> dict[str, Any]:
    """Return a job and, once it has ended, its result.

    Args:
        job: as stored.
        position: jobs that wait before it; None when it does not wait.
        drain_rate: jobs that end per second at present.
    """
    eta_s = None
    if position is not None and drain_rate > 0:
        eta_s = round((position + 1) / drain_rate, 3)
    return {
        "request_id": job.id,
        "filename": job.filename,
        "status": job.state.value,
        "queued_at": iso(job.queued_at),
        "started_at": iso(job.started_at),
        "completed_at": iso(job.completed_at),
        "processing_time": job.processing_time_s,
        "queue_time": job.queue_time_s,
        "replica_used": job.stages[-1].replica if job.stages else None,
        "from_cache": job.from_cache,
        "coalesced": job.coalesced,
        "attempts": job.attempts,
        "queue_position": position,
        "eta_s": eta_s,
        "pipeline": job.pipeline_id,
        "steps": [
            {"id": run.step_id, "type": run.type, "time": run.duration_s, "replica": run.replica}
            for run in job.stages
        ],
        # The same result may answer several files; each is told its own name.
        "result": None if job.result is None else {**job.result, "filename": job.filename},
        "error": (
            None if job.error is None else {"code": job.error.code, "detail": job.error.detail}
        ),
    }


def iso(moment: float | None) -> str | None:
    """Return Unix seconds as ISO 8601 in UTC with microseconds and no zone, as the seeds do."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat("T", "microseconds")
