"""The ceiling: the same step code in as many processes as replicas, with no server."""

import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

BATCH = 8


def bare_throughput(
    images: Sequence[bytes], *, params: Mapping[str, Any], cache_dir: Path, rounds: int
) -> float:
    """Return the photos per second of two processes that decode and compute in batches of 8."""
    context = get_context("spawn")
    barrier = context.Barrier(3)
    halves = [list(images[0::2]) * rounds, list(images[1::2]) * rounds]
    workers = [
        context.Process(target=_work, args=(half, dict(params), cache_dir, barrier))
        for half in halves
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    barrier.wait()
    elapsed_s = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return len(images) * rounds / elapsed_s


def _work(
    images: Sequence[bytes], params: Mapping[str, Any], cache_dir: Path, barrier: Barrier
) -> None:
    # Imported in the child: the parent measures, and loads no model.
    from step_app.settings import Settings, StepConfig  # noqa: PLC0415
    from step_app.steps.base import StepRequest  # noqa: PLC0415
    from step_app.steps.registry import load_step  # noqa: PLC0415

    config = StepConfig(pipeline_id="bare", step_id="0", type="classifier", params=params)
    step = load_step(config, Settings(step_threads=1, model_cache_dir=cache_dir))
    step.run([step.prepare(StepRequest(image)) for image in images[:BATCH]])
    barrier.wait()
    for start in range(0, len(images), BATCH):
        step.run([step.prepare(StepRequest(image)) for image in images[start : start + BATCH]])
    barrier.wait()
