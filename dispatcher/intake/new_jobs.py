"""What a client asked for, as a job that nobody knows of yet. Pure."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from dispatcher.intake.digest import coalescing_key, result_key
from dispatcher.intake.sniffing import ImageKind, sniff
from dispatcher.intake.upload import Upload
from dispatcher.jobs import Idempotency, Job, OperationSpec, Priority
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.overrides import Overrides
from step_app.contract.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What a client asked for, beside the image."""

    pipeline: str = "default"
    params: str | None = None
    tiles: int | None = None
    use_cache: bool = True
    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    webhook_url: str | None = None
    tenant: str = ""
    idempotency: Idempotency | None = None
    trace: TraceContext | None = None


def new_job(
    *,
    filename: str,
    digest: str,
    pipeline: Pipeline,
    overrides: Overrides,
    operations: Sequence[OperationSpec] = (),
    options: SubmitOptions,
) -> Job:
    """Return a job that nobody knows of yet."""
    tenant, shares = options.tenant, options.use_cache
    return Job(
        id=str(uuid.uuid4()),
        filename=filename,
        digest=digest,
        pipeline_id=pipeline.id,
        queued_at=time.time(),
        overrides=overrides,
        operations=tuple(operations),
        result_key=result_key(digest, pipeline, overrides, tenant=tenant) if shares else None,
        expected_revision=pipeline.revision,
        tenant=tenant,
        priority=options.priority,
        deadline_s=options.deadline_s,
        webhook_url=options.webhook_url,
        idempotency=options.idempotency,
        trace=options.trace,
    )


def with_work_key(job: Job, pipeline: Pipeline) -> Job:
    """Return a job with what makes it the same work as another; a hit never needs to know."""
    key = coalescing_key(job.digest, pipeline, job.overrides, tenant=job.tenant)
    return replace(job, work_key=key)


def described(job: Job, kind: ImageKind) -> Job:
    """Return a job with what the header of its image says."""
    return replace(job, media_type=kind.media_type, width=kind.width, height=kind.height)


def described_like(job: Job, other: Job) -> Job:
    """Return a job with what the header of the same image said before."""
    return replace(
        job,
        media_type=other.media_type,
        width=other.width,
        height=other.height,
        size_bytes=other.size_bytes,
    )


def sniffed(job: Job, upload: Upload) -> tuple[Job, bytes]:
    """Return the image's bytes, once their header says that they are one."""
    image = upload.image()
    return replace(described(job, sniff(image)), size_bytes=len(image)), image
