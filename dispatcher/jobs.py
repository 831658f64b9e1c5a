"""The records that all rooms share: a job, its states, and how one becomes the next.

::

    queued ──▶ processing ──▶ completed
       │            ├───────▶ failed(code)
       ├────────────┼───────▶ cancelled
       └────────────┴───────▶ expired
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

import msgspec
from msgspec.structs import replace

from dispatcher.runs import StageRun
from step_app.contract.trace_context import TraceContext


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"  # accepted, waiting for a replica
    PROCESSING = "processing"  # taken off the queue
    COMPLETED = "completed"  # has its result
    FAILED = "failed"  # has an error with a code
    CANCELLED = "cancelled"  # its client no longer wants it
    EXPIRED = "expired"  # its deadline passed first

    @property
    def is_terminal(self) -> bool:
        """Say whether no other state can follow."""
        return self not in (JobState.QUEUED, JobState.PROCESSING)


class Priority(IntEnum):
    """How urgent a job is; one that waits long enough comes before a younger, more urgent one."""

    HIGH = 0  # somebody looks at the screen
    NORMAL = 1  # the usual
    BULK = 2  # whenever there is time


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One operation of a job that brings its own chain: a step type and complete params."""

    type: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Output:
    """One picture that a job made; its bytes are in the blob store."""

    digest: str
    media_type: str
    width: int
    height: int
    data: Mapping[str, Any]
    """What the steps had to say of it."""
    piece: int | None = None
    """Which piece of a split it is, from 0; None when nothing was split."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What a client sent so that repeating a request is safe."""

    key: str
    fingerprint: str
    """SHA-256 of everything that was asked for, hexadecimal."""


class Job(msgspec.Struct, frozen=True):
    """One image on its way through one pipeline. Points in time are Unix seconds, UTC.

    A struct and no dataclass: every image makes several of its more than thirty fields, and
    replacing one field of a dataclass takes 14 µs, of a struct less than one.
    """

    id: str
    filename: str
    digest: str
    pipeline_id: str
    queued_at: float
    overrides: Mapping[str, Mapping[str, Any]]
    """Overrides of params by step id."""
    operations: tuple[OperationSpec, ...] = ()
    """The job's own chain, in place of the pipeline's stages."""
    media_type: str = ""
    """Of the image sent, as its header says; empty when it was not looked at."""
    width: int = 0
    """As the image's header says, before its orientation is applied."""
    height: int = 0
    result_key: str | None = None
    """Under which the result may be shared; None means that it may not."""
    expected_revision: str = ""
    """Revision of the pipeline's models when the job was accepted."""
    state: JobState = JobState.QUEUED
    started_at: float | None = None
    completed_at: float | None = None
    from_cache: bool = False
    coalesced: bool = False
    attempts: int = 0
    stages: tuple[StageRun, ...] = ()
    revision: str = ""
    """Revision of the models that answered."""
    result: Mapping[str, Any] | None = None
    """The data of a JSON step; None when the pipeline gives pictures only."""
    outputs: tuple[Output, ...] = ()
    error: JobError | None = None
    tenant: str = ""
    """Name of the API key's owner; empty while no keys are required."""
    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    """Seconds after ``queued_at`` when nobody waits any more."""
    webhook_url: str | None = None
    """Who is told when the job has ended."""
    idempotency: Idempotency | None = None
    work_key: str = ""
    """What makes two jobs in flight the same work; empty when this one shares nothing."""
    size_bytes: int = 0
    """Of the image sent."""
    requeued_from: str | None = None
    """The failed job that this one repeats."""
    trace: TraceContext | None = None  # what caused it, as far as anybody said so

    @property
    def holds(self) -> tuple[str, ...]:
        """Digests of the blobs that this record keeps alive, one for each hold."""
        outputs = tuple(output.digest for output in self.outputs)
        return (self.digest, *outputs) if self.keeps_image else outputs

    @property
    def keeps_image(self) -> bool:
        """Say whether the image is needed: until the job ends and, should it fail, to repeat it.

        Of a job whose image was never looked at none was kept.
        """
        is_needed = not self.state.is_terminal or self.state is JobState.FAILED
        return bool(self.media_type) and is_needed

    @property
    def queue_time_s(self) -> float | None:
        """Time from acceptance to the first attempt."""
        return None if self.started_at is None else self.started_at - self.queued_at

    @property
    def processing_time_s(self) -> float | None:
        """Time from the first attempt to the end."""
        if self.started_at is None or self.completed_at is None:
            return None
        return self.completed_at - self.started_at

    def started(self, now: float) -> "Job":
        """Return this job as taken off the queue."""
        return replace(self, state=JobState.PROCESSING, started_at=now)

    def completed(
        self,
        now: float,
        *,
        result: Mapping[str, Any] | None,
        outputs: tuple[Output, ...] = (),
        stages: tuple[StageRun, ...],
        revision: str,
        attempts: int,
    ) -> "Job":
        """Return this job with its result."""
        return replace(
            self,
            state=JobState.COMPLETED,
            completed_at=now,
            result=result,
            outputs=outputs,
            stages=stages,
            revision=revision,
            attempts=attempts,
        )

    def failed(
        self, now: float, error: JobError, *, stages: tuple[StageRun, ...] = (), attempts: int
    ) -> "Job":
        """Return this job with the reason why there is no result."""
        return replace(
            self,
            state=JobState.FAILED,
            completed_at=now,
            error=error,
            stages=stages,
            attempts=attempts,
        )

    def cancelled(self, now: float) -> "Job":
        """Return this job as no longer wanted."""
        return replace(self, state=JobState.CANCELLED, completed_at=now)

    def expired(self, now: float) -> "Job":
        """Return this job as ended by its deadline."""
        return replace(self, state=JobState.EXPIRED, completed_at=now)

    def served_from_cache(
        self, result: Mapping[str, Any] | None, outputs: tuple[Output, ...], revision: str
    ) -> "Job":
        """Return this job as answered at once by an earlier result."""
        return replace(
            self,
            state=JobState.COMPLETED,
            started_at=self.queued_at,
            completed_at=self.queued_at,
            from_cache=True,
            result=result,
            outputs=outputs,
            revision=revision,
        )

    def answered(
        self,
        now: float,
        result: Mapping[str, Any] | None,
        outputs: tuple[Output, ...],
        revision: str,
    ) -> "Job":
        """Return this job, begun already, as answered by a result that is known by now."""
        return replace(
            self,
            state=JobState.COMPLETED,
            completed_at=now,
            from_cache=True,
            result=result,
            outputs=outputs,
            revision=revision,
        )

    def settled_like(self, leader: "Job") -> "Job":
        """Return this job as ended by the identical job that was computed for both."""
        started_at = max(self.queued_at, leader.started_at or self.queued_at)
        return replace(
            self,
            state=leader.state,
            started_at=started_at,
            completed_at=max(started_at, leader.completed_at or started_at),
            coalesced=True,
            attempts=leader.attempts,
            stages=leader.stages,
            revision=leader.revision,
            result=leader.result,
            outputs=leader.outputs,
            error=leader.error,
        )


@dataclass(frozen=True, slots=True)
class SentFile:
    """One file of a batch and the job that it became."""

    job_id: str
    filename: str
    """As the client named it."""
    digest: str
    """Empty when its bytes are not kept for this entry: no image, or kept for another one."""
    media_type: str
    """As its header says; empty like the digest."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that were sent together."""

    id: str
    created_at: float
    """Unix seconds, UTC."""
    files: tuple[SentFile, ...]
    tenant: str = ""
    """Name of the API key's owner; empty while no keys are required."""

    @property
    def holds(self) -> tuple[str, ...]:
        """Digests of the blobs that this record keeps alive, one for each hold."""
        return tuple(file.digest for file in self.files if file.digest)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that is still to be delivered."""

    job_id: str
    due_at: float
    """When to try next, Unix seconds."""
    tries: int = 0


@dataclass(frozen=True)
class CachedResult:
    """A good result and the model revision that gave it."""

    result: Mapping[str, Any] | None
    outputs: tuple[Output, ...]
    revision: str

    @property
    def holds(self) -> tuple[str, ...]:
        """Digests of the blobs that this record keeps alive, one for each hold."""
        return tuple(output.digest for output in self.outputs)

    @cached_property
    def size_bytes(self) -> int:
        """Size of the result as JSON; the pictures are in the blob store."""
        return len(json.dumps(self.result))
