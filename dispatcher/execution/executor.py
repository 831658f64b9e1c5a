"""Carries one job through the stages of its pipeline."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from dispatcher.blobs.base import BlobMissingError, BlobStore
from dispatcher.errors import (
    AttemptError,
    AttemptTimeoutError,
    ReplicaLostError,
    UnknownPipelineError,
)
from dispatcher.execution.retry import GiveUp, RetryPolicy, decide
from dispatcher.jobs import Job, JobError, StageRun
from dispatcher.pipelines.model import Stage, join_revisions
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.parcel import Answer
from step_app.contract import BatchItem

NO_CAPACITY_TIMEOUT_S: Final = 60.0
"""How long a stage waits for a replica that can take it before the job fails."""


@dataclass(frozen=True, slots=True)
class _StageOutcome:
    run: StageRun
    answer: Answer


class _StageFailedError(Exception):
    """A stage gave up; ends the job."""

    def __init__(self, error: JobError, attempts: int) -> None:
        super().__init__(error.code)
        self.error = error
        self.attempts = attempts


class Executor:
    """Runs jobs; knows how often an item may be tried and what an answer must look like."""

    def __init__(
        self,
        *,
        pipelines: PipelineStore,
        pools: PoolDirectory,
        blobs: BlobStore,
        policy: RetryPolicy,
        jitter: random.Random,
    ) -> None:
        self._pipelines = pipelines
        self._pools = pools
        self._blobs = blobs
        self._policy = policy
        self._jitter = jitter

    async def run(self, job: Job) -> Job:
        """Return the job as it ended: completed or failed."""
        outcomes: list[_StageOutcome] = []
        attempts = 0
        try:
            pipeline = self._pipelines.get(job.pipeline_id)
            image = await self._blobs.get(job.digest)
            for stage in pipeline.stages:
                outcome = await self._run_stage(stage, job, image)
                outcomes.append(outcome)
                attempts = max(attempts, outcome.run.attempts)
        except _StageFailedError as exc:
            runs = tuple(outcome.run for outcome in outcomes)
            return job.failed(time.time(), exc.error, stages=runs, attempts=exc.attempts)
        except UnknownPipelineError:
            error = JobError(code="unknown_pipeline", detail="The pipeline was deleted.")
            return job.failed(time.time(), error, attempts=attempts)
        except BlobMissingError:
            error = JobError(code="input_missing", detail="The image is no longer kept.")
            return job.failed(time.time(), error, attempts=attempts)
        return job.completed(
            time.time(),
            result=outcomes[-1].answer.result,
            stages=tuple(outcome.run for outcome in outcomes),
            revision=join_revisions(outcome.answer.revision for outcome in outcomes),
            attempts=attempts,
        )

    async def _run_stage(self, stage: Stage, job: Job, image: bytes) -> _StageOutcome:
        """Try a stage until it is answered, judged, or given up."""
        params = job.overrides.get(stage.key.step_id, {})
        item = BatchItem(id=job.id, filename=job.filename, image=image, params=params)
        failed_at: list[str] = []
        attempts, tries, alone = 0, 0, False
        give_up_at = time.monotonic() + NO_CAPACITY_TIMEOUT_S
        while True:
            try:
                # Looked up for every try: a record that was gone for a moment has a new pool.
                pool = self._pools.get(str(stage.key))
                answer = await pool.process(
                    item,
                    avoid=failed_at,
                    alone=alone,
                    patience_s=max(0.0, give_up_at - time.monotonic()),
                )
            except AttemptError as exc:
                attempts += exc.uses_attempt
                tries += 1
                alone = alone or isinstance(exc, ReplicaLostError | AttemptTimeoutError)
                failed_at.append(exc.replica_url)
                decision = decide(
                    exc,
                    attempts=attempts,
                    tries=tries,
                    policy=self._policy,
                    jitter=self._jitter,
                )
                if isinstance(decision, GiveUp):
                    raise _StageFailedError(decision.error, attempts) from exc
                await asyncio.sleep(decision.delay_s)
            else:
                return _StageOutcome(answer=answer, run=_describe(stage, answer, attempts + 1))


def _describe(stage: Stage, answer: Answer, attempts: int) -> StageRun:
    return StageRun(
        step_id=stage.key.step_id,
        type=stage.type,
        duration_s=answer.duration_s,
        replica=answer.replica_url,
        attempts=attempts,
    )
