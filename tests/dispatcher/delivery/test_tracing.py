"""A webhook belongs to the trace of its job, whether or not spans are recorded."""

from dataclasses import replace

import pytest

from dispatcher.delivery.client import Answer
from step_app.contract.spans import SpanKind
from step_app.contract.trace_context import TraceContext, begun_by
from tests.dispatcher.delivery.sending import BROKEN, URL, Post
from tests.dispatcher.recorded_spans import CAUSE, Recorder
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.waiting import until

HOST = "hooks.example.com"
JOB_ID = "0c9f8a51-5f0e-4b5e-9d64-3d8f6f1b2a77"


async def end(post: Post, job_id: str = "a", *, trace: TraceContext | None = None) -> None:
    job = make_job(job_id, webhook_url=URL, trace=trace)
    await post.results.add(job)
    await post.results.save(completed(job))


async def test_a_receiver_is_told_the_trace_of_the_job() -> None:
    post = Post()
    traced = replace(CAUSE, state="vendor=1")
    async with post.sending():
        await end(post, "a", trace=traced)
        await end(post, JOB_ID)
        await until(lambda: post.counted("delivered") == 2)
    assert {call.message_id: call.trace for call in post.caller.calls} == {
        "msg_a": traced,
        f"msg_{JOB_ID}": begun_by(JOB_ID),
    }


async def test_a_call_is_recorded_and_what_it_causes_belongs_to_it() -> None:
    post, recorder = Post(), Recorder()
    async with post.sending(tracer=recorder):
        await end(post, trace=CAUSE)
        await until(lambda: post.counted("delivered") == 1)
    (span,) = recorder.named("webhook")
    assert (span.kind, span.parent_id) == (SpanKind.CLIENT, CAUSE.span_id)
    assert span.attributes["server.address"] == HOST
    assert span.attributes["http.response.status_code"] == 200
    assert not span.error
    assert [call.trace for call in post.caller.calls] == [span.context]


@pytest.mark.parametrize(
    ("answer", "error"),
    [(BROKEN, "500"), (Answer(None, "it did not answer in time"), "no_answer")],
)
async def test_a_call_that_fails_says_so(answer: Answer, error: str) -> None:
    post, recorder = Post(), Recorder()
    post.caller.answers[HOST] = [answer]
    async with post.sending(tracer=recorder):
        await end(post, trace=CAUSE)
        await until(lambda: post.counted("failed_try") == 1)
    (span,) = recorder.named("webhook")
    assert (span.error, span.attributes["conveyor.attempt"]) == (error, 1)
