"""Made-up jobs and pipelines."""

import time
from collections.abc import Mapping
from typing import Any

from dispatcher.jobs import Job, JobError
from dispatcher.pipelines.model import Pipeline, Stage, StepKey
from dispatcher.runs import StageRun

RUN = StageRun(
    step_id="0", type="classifier", duration_s=0.125, replica="http://127.0.0.1:5000", attempts=1
)


def make_job(job_id: str = "job-1", **changes: Any) -> Job:
    """A queued job of the default pipeline."""
    known: dict[str, Any] = {
        "id": job_id,
        "filename": "koala.png",
        "digest": "d" * 64,
        "pipeline_id": "default",
        "queued_at": time.time(),
        "overrides": {},
    }
    return Job(**(known | changes))


def completed(job: Job, *, at: float | None = None, **changes: Any) -> Job:
    """That job as completed, by default now."""
    now = time.time() if at is None else at
    known: dict[str, Any] = {
        "result": {"predictions": ["koala"]},
        "stages": (RUN,),
        "revision": "r1",
        "attempts": 1,
    }
    return job.started(job.queued_at).completed(now, **(known | changes))


def failed(job: Job, code: str = "image_corrupt", *, at: float | None = None) -> Job:
    """That job as failed, by default now."""
    now = time.time() if at is None else at
    return job.started(job.queued_at).failed(now, JobError(code, "It is so."), attempts=1)


def make_stage(
    step_id: str = "0",
    *,
    pipeline_id: str = "default",
    step_type: str = "classifier",
    params: Mapping[str, Any] | None = None,
    revision: str = "r1",
) -> Stage:
    """A stage whose replicas have reported their revision."""
    return Stage(
        key=StepKey(pipeline_id, step_id),
        type=step_type,
        params={} if params is None else params,
        model_revision=revision,
    )


def make_pipeline(
    *stages: Stage, pipeline_id: str = "default", name: str | None = None
) -> Pipeline:
    """A pipeline; of one classifier unless told otherwise."""
    return Pipeline(
        id=pipeline_id, stages=stages or (make_stage(pipeline_id=pipeline_id),), name=name
    )
