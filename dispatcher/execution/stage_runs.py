"""What is told of stages that were run: by whom, for how long, and when each began. Pure.

Replicas say how long they worked, by a clock of their own. So a stage began when its answer came,
by the dispatcher's clock, less what it and the stages after it in the same answer took.
"""

from collections.abc import Sequence

from dispatcher.execution.attempts import Attempted
from dispatcher.execution.chunks import Chunk
from dispatcher.pipelines.model import Stage
from dispatcher.runs import ChunkRun, StageRun


def stage_runs(
    stages: Sequence[Stage], timings_s: Sequence[float], attempted: Attempted, *, reused: int
) -> list[StageRun]:
    """Return the runs of stages that one replica did one after the other.

    Args:
        stages: in order.
        timings_s: what each took, in seconds.
        attempted: the answer.
        reused: how many of the first were known from an earlier job.
    """
    runs = []
    for number, (stage, duration_s) in enumerate(zip(stages, timings_s, strict=True)):
        runs.append(
            StageRun(
                step_id=stage.step_id,
                type=stage.type,
                duration_s=duration_s,
                replica=attempted.answer.replica_url,
                attempts=attempted.attempts,
                from_cache=number < reused,
                began_at=_began_at(attempted, took_s=sum(timings_s[number:])),
            )
        )
    return runs


def data_run(stage: Stage, attempted: Attempted) -> StageRun:
    """Return the run of a stage that gave data."""
    return stage_runs([stage], [attempted.answer.duration_s], attempted, reused=0)[0]


def tiled_run(stage: Stage, chunks: Sequence[Chunk], rows: Sequence[int]) -> StageRun:
    """Return the run of a stage whose picture was cut into chunks of so many rows."""
    runs = tuple(
        ChunkRun(
            index=index,
            rows=rows[index],
            duration_s=chunk.attempted.answer.duration_s,
            replica=chunk.attempted.answer.replica_url,
            attempts=chunk.attempted.attempts,
            dispatcher=chunk.dispatcher,
            began_at=_began_at(chunk.attempted, took_s=chunk.attempted.answer.duration_s),
        )
        for index, chunk in enumerate(chunks)
    )
    slowest = max(runs, key=lambda run: run.duration_s)
    return StageRun(
        step_id=stage.step_id,
        type=stage.type,
        duration_s=slowest.duration_s,
        replica=slowest.replica,
        attempts=max(run.attempts for run in runs),
        chunks=runs,
        began_at=slowest.began_at,
    )


def reused_run(stage: Stage) -> StageRun:
    """Return the run of a stage that an earlier job had done for the same picture."""
    return StageRun(
        step_id=stage.step_id,
        type=stage.type,
        duration_s=0.0,
        replica="",
        attempts=0,
        from_cache=True,
    )


def merge_runs(all_runs: Sequence[Sequence[StageRun]]) -> list[StageRun]:
    """Return one run for each stage out of those of several pictures: the slowest one's."""
    return [max(runs, key=lambda run: run.duration_s) for runs in zip(*all_runs, strict=True)]


def _began_at(attempted: Attempted, *, took_s: float) -> float | None:
    return None if attempted.answered_at is None else attempted.answered_at - took_s
