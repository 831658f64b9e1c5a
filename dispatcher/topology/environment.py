"""What a child process is told: the same variables that a pod of a cluster gets."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatcher.topology.configmap import StepRecord, assignment_of
from step_app.contract.export import SERVICE_NAME, STEP_SERVICE, TRACES_ENDPOINT
from step_app.contract.step_types import OPERATIONS


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """What child processes are and may use."""

    model_cache_dir: Path
    records_dir: Path
    """Where a replica reads which other steps are active."""
    max_batch_size: int
    traces_url: str | None = None
    """Where a replica sends its spans; None when nowhere."""
    command: Sequence[str] = (sys.executable, "-m", "step_app")
    """What a replica executes."""


def environment_of(record: StepRecord, limits: LocalLimits) -> Mapping[str, str]:
    """Return the environment of the replicas of a step, beside what they inherit."""
    cores = len(os.sched_getaffinity(0))
    return {
        "PIPELINE_CONFIG": json.dumps(assignment_of(record)),
        "SERVICE_HOST": "127.0.0.1",
        # Replicas share the cores; more threads than cores only make them wait for each other.
        "STEP_THREADS": str(max(1, cores // record.replicas)),
        "MAX_BATCH_SIZE": str(_batch_size(record, limits)),
        "MODEL_CACHE_DIR": str(limits.model_cache_dir),
        "RECORDS_DIR": str(limits.records_dir),
        "EXIT_WITH_PARENT": "1",
        **tracing_environment(limits.traces_url),
    }


def tracing_environment(url: str | None) -> Mapping[str, str]:
    """Return what a replica is told of tracing: where to, and that it is no dispatcher."""
    return {} if url is None else {TRACES_ENDPOINT: url, SERVICE_NAME: STEP_SERVICE}


def _batch_size(record: StepRecord, limits: LocalLimits) -> int:
    """Return how many images travel together.

    Operations take an image at a time and milliseconds for it, so that the way there weighs more:
    twice as many together are 4 % more in a second.
    """
    is_quick = record.type == OPERATIONS.name
    return limits.max_batch_size * 2 if is_quick else limits.max_batch_size
