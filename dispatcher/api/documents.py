"""A job as the JSON of the wire contract."""

from datetime import UTC, datetime
from typing import Any

from dispatcher.jobs import Job, Output
from dispatcher.runs import ChunkRun, StageRun
from step_app.contract.pictures import EXTENSIONS


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
        drain_rate: jobs of its lane that are taken off the queue in a second while some wait; 0
            when that is not known.
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
        "priority": job.priority.value,
        "deadline_s": job.deadline_s,
        "requeued_from": job.requeued_from,
        "steps": [_step(run, job) for run in job.stages],
        "result": _result(job),
        "error": (
            None if job.error is None else {"code": job.error.code, "detail": job.error.detail}
        ),
    }


def step_headers(job: Job) -> list[tuple[bytes, bytes]]:
    """Return ``X-Step-<ID>-Time`` in seconds for every step that ran."""
    return [
        (f"x-step-{run.step_id}-time".encode(), f"{run.duration_s:.6f}".encode())
        for run in job.stages
    ]


def image_url(job: Job, output: Output) -> str:
    """Return where a picture that a job made can be fetched."""
    piece = "" if output.piece is None else f"/{output.piece}"
    return f"/result/{job.id}/image{piece}"


def made_name(filename: str, output: Output) -> str:
    """Return the name of a picture that was made of a file: its own, as the format asks."""
    stem = filename.rpartition(".")[0] or filename or "image"
    piece = "" if output.piece is None else f"-{output.piece:02}"
    return f"{stem}{piece}.{EXTENSIONS[output.media_type]}"


def _step(run: StageRun, job: Job) -> dict[str, Any]:
    step = {
        "id": run.step_id,
        "type": run.type,
        "time": run.duration_s,
        "replica": run.replica or None,
    }
    step |= _start(run.began_at, job)
    if run.from_cache:
        step["from_cache"] = True
    if run.chunks:
        step["tiles"] = [_tile(chunk, job) for chunk in run.chunks]
    return step


def _tile(chunk: ChunkRun, job: Job) -> dict[str, Any]:
    tile: dict[str, Any] = {
        "tile": chunk.index,
        "rows": chunk.rows,
        "time": chunk.duration_s,
        "replica": chunk.replica,
        "attempts": chunk.attempts,
    }
    tile |= _start(chunk.began_at, job)
    if chunk.dispatcher:
        tile["dispatcher"] = chunk.dispatcher
    return tile


def _start(began_at: float | None, job: Job) -> dict[str, float]:
    """Return how long after the job's acceptance something began, in seconds.

    Nothing when that is not known, or happened for an earlier job whose result this one got.
    """
    if began_at is None or began_at < job.queued_at:
        return {}
    return {"start": round(began_at - job.queued_at, 6)}


def _result(job: Job) -> dict[str, Any] | None:
    """Return what came out: data, a picture, or several pictures; None when nothing did."""
    if not job.outputs:
        # The same result may answer several files; each is told its own name.
        return None if job.result is None else {**job.result, "filename": job.filename}
    outputs = [_output(job, output) for output in job.outputs]
    if job.outputs[0].piece is None:
        return {**outputs[0], "filename": job.filename}
    return {"filename": job.filename, "outputs": outputs}


def _output(job: Job, output: Output) -> dict[str, Any]:
    url = image_url(job, output)
    return {
        "filename": made_name(job.filename, output),
        "width": output.width,
        "height": output.height,
        "content_type": output.media_type,
        "url": url,
        "download_url": f"{url}?download=true",
        **output.data,
    }


def iso(moment: float | None) -> str | None:
    """Return Unix seconds as ISO 8601 in UTC with microseconds and no zone, as the seeds do."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat("T", "microseconds")
