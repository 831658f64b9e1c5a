import random

import pytest

from dispatcher.execution.attempts import Attempts
from dispatcher.execution.executor import Executor
from dispatcher.execution.retry import RetryPolicy
from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from step_app.contract.frames import BatchItem
from step_app.contract.trace_context import TraceContext, begun_by
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.recorded_spans import CAUSE, Recorder
from tests.dispatcher.records import make_pipeline, make_stage
from tests.dispatcher.scripted_replica import in_turn, problem_reply, reply_with

JOB_ID = "0c9f8a51-5f0e-4b5e-9d64-3d8f6f1b2a77"
CORRUPT = reply_with(lambda item: problem_reply(item, 422, "image_corrupt"))


def items_of(line: Belt, step: str = "default/0") -> list[BatchItem]:
    return [item for request in line.replicas[step][0].requests for item in request.items]


async def run_traced(line: Belt, recorder: Recorder, *, trace: TraceContext | None) -> Job:
    """Carry a job as a dispatcher does that records spans."""
    attempts = Attempts(
        pools=line.pools,
        policy=RetryPolicy(base_delay_s=0.001),
        jitter=random.Random(1),
        tracer=recorder,
    )
    executor = Executor(
        pipelines=line.pipelines,
        blobs=line.blobs,
        attempts=attempts,
        cache=line.cache,
        tracer=recorder,
    )
    return await line.run_by(executor, trace=trace)


async def test_every_stage_is_told_the_trace_of_its_job(client: ReplicaClient) -> None:
    pipeline = make_pipeline(make_stage("a"), make_stage("b"))
    async with belt(client, scripted.answer, pipeline=pipeline) as line:
        job = await line.run(trace=CAUSE)
        assert job.trace == CAUSE
        for step in line.replicas:
            assert [item.trace for item in items_of(line, step)] == [CAUSE]
            (request,) = line.replicas[step][0].requests
            assert request.http.headers["traceparent"] == CAUSE.traceparent


async def test_a_job_that_came_without_one_is_its_own_trace(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        job = await line.run(id=JOB_ID)
        assert job.trace is None, "nothing is kept of what can be told at any time"
        assert [item.trace for item in items_of(line)] == [begun_by(JOB_ID)]


@pytest.mark.parametrize("trace", [CAUSE, None])
async def test_queue_run_and_stages_are_recorded_in_one_trace(
    client: ReplicaClient, trace: TraceContext | None
) -> None:
    pipeline = make_pipeline(make_stage("a"), make_stage("b"))
    recorder = Recorder()
    async with belt(client, scripted.answer, pipeline=pipeline) as line:
        job = await run_traced(line, recorder, trace=trace)
        (run,), (queue,) = recorder.named("run"), recorder.named("queue")
        assert {span.context.trace_id for span in recorder.spans} == {run.context.trace_id}
        assert run.parent_id == ("" if trace is None else trace.span_id)
        assert queue.parent_id == (run.context.span_id if trace is None else trace.span_id)
        assert (queue.began_at, run.began_at) == (job.queued_at, job.started_at)
        assert run.attributes["conveyor.job.state"] == "completed"
        assert job.trace == run.context, "what it causes later belongs to it, too"
        stages = recorder.named("stage classifier")
        assert [span.attributes["conveyor.step.id"] for span in stages] == ["a", "b"]
        assert {span.parent_id for span in stages} == {run.context.span_id}
        sent = [items_of(line, step)[0].trace for step in line.replicas]
        assert sent == [span.context for span in stages]


async def test_every_try_is_recorded_with_what_became_of_it(client: ReplicaClient) -> None:
    recorder = Recorder()
    script = in_turn(scripted.break_down, scripted.answer)
    async with belt(client, script) as line:
        job = await run_traced(line, recorder, trace=CAUSE)
    assert job.attempts == 2
    first, second = recorder.named("stage classifier")
    assert (first.error, second.error) == ("replica_failed", "")
    assert [span.attributes["conveyor.attempt"] for span in (first, second)] == [1, 2]
    url = line.replicas["default/0"][0].url
    for span in (first, second):
        assert url == f"http://{span.attributes['server.address']}:{span.attributes['server.port']}"
    assert second.attributes["conveyor.batch.size"] == 1


async def test_a_job_that_fails_says_why(client: ReplicaClient) -> None:
    recorder = Recorder()
    async with belt(client, CORRUPT) as line:
        job = await run_traced(line, recorder, trace=CAUSE)
    assert job.state is JobState.FAILED
    assert recorder.named("run")[0].error == "image_corrupt"
    assert recorder.named("stage classifier")[0].error == "image_corrupt"
