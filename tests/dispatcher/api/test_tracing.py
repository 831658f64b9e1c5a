"""The trace that a request names, from its head to the record of its job."""

import dataclasses
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from dispatcher.app import create_app
from dispatcher.jobs import Job
from dispatcher.wiring import Services
from step_app.contract.trace_context import TraceContext
from tests.dispatcher.api.batching import BLUR, actions, file
from tests.dispatcher.api.batching import FORM as BATCH
from tests.dispatcher.forms import form
from tests.dispatcher.images import png
from tests.dispatcher.recorded_spans import CAUSE, Recorder
from tests.dispatcher.records import failed, make_pipeline, make_stage

RAW = {"content-type": "image/png"}
TRACED = RAW | {"traceparent": CAUSE.traceparent}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def recorded(services: Services, recorder: Recorder) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that records spans."""
    app = create_app(dataclasses.replace(services, tracer=recorder))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened


async def submit(
    http: httpx.AsyncClient, services: Services, headers: object = TRACED, *, seed: int = 0
) -> Job:
    image = png(tail=str(seed).encode())
    answer = await http.post("/predict_async", content=image, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 202, answer.text
    assert "traceparent" not in answer.headers
    return await services.results.get(answer.json()["request_id"])


async def test_a_job_keeps_the_trace_that_its_request_names(
    http: httpx.AsyncClient, services: Services
) -> None:
    headers = [*TRACED.items(), ("tracestate", "a=1"), ("tracestate", "b=2")]
    job = await submit(http, services, headers)
    assert job.trace == dataclasses.replace(CAUSE, state="a=1,b=2")


async def test_one_that_names_none_keeps_none(http: httpx.AsyncClient, services: Services) -> None:
    assert (await submit(http, services, RAW)).trace is None


@pytest.mark.parametrize(
    "headers",
    [
        [*RAW.items(), ("traceparent", "garbage")],
        [*RAW.items(), ("traceparent", CAUSE.traceparent.replace("00f0", "00F0"))],
        [*RAW.items(), ("traceparent", "\xff")],
        [*TRACED.items(), ("traceparent", CAUSE.traceparent)],
    ],
    ids=["garbage", "capitals", "no text", "twice"],
)
async def test_one_that_is_not_valid_is_ignored(
    http: httpx.AsyncClient, services: Services, headers: list[tuple[str, str]]
) -> None:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    assert (await submit(http, services, sent)).trace is None


async def test_all_jobs_of_a_batch_belong_to_its_trace(
    http: httpx.AsyncClient, services: Services
) -> None:
    operations = make_stage(pipeline_id="operations", step_type="operations")
    services.pipelines.replace([make_pipeline(operations, pipeline_id="operations")])
    body = form(actions(BLUR), file(seed=1), file(seed=2))
    answer = await http.post(
        "/process", content=body, headers=BATCH | {"traceparent": CAUSE.traceparent}
    )
    jobs = [await services.results.get(one["request_id"]) for one in answer.json()["requests"]]
    assert [job.trace for job in jobs] == [CAUSE, CAUSE]


async def test_a_submission_is_recorded_and_its_job_is_caused_by_it(
    recorded: httpx.AsyncClient, services: Services, recorder: Recorder
) -> None:
    job = await submit(recorded, services)
    (span,) = recorder.named("POST /predict_async")
    assert span.parent_id == CAUSE.span_id
    assert job.trace == span.context
    assert span.attributes["http.response.status_code"] == 202
    assert span.attributes["conveyor.job.id"] == job.id
    assert not span.error


async def test_one_that_names_none_begins_a_trace_when_somebody_records(
    recorded: httpx.AsyncClient, services: Services, recorder: Recorder
) -> None:
    first = await submit(recorded, services, RAW, seed=1)
    second = await submit(recorded, services, RAW, seed=2)
    assert first.trace is not None
    assert second.trace is not None
    assert first.trace.trace_id != second.trace.trace_id


async def test_a_refusal_is_recorded_with_its_status(
    recorded: httpx.AsyncClient, recorder: Recorder
) -> None:
    refused = await recorded.post("/predict_async", content=b"no image", headers=TRACED)
    for seed in range(4):  # one more than the queue has room for
        last = await recorded.post(
            "/predict_async", content=png(tail=str(seed).encode()), headers=TRACED
        )
    spans = recorder.named("POST /predict_async")
    assert last.status_code == 503
    assert [span.attributes["http.response.status_code"] for span in spans] == [
        refused.status_code,
        202,
        202,
        202,
        503,
    ]
    assert [span.error for span in spans] == ["", "", "", "", "503"]


async def test_what_is_no_submission_is_not_recorded(
    recorded: httpx.AsyncClient, recorder: Recorder
) -> None:
    await recorded.get("/status", headers=TRACED)
    await recorded.get("/result/none", headers=TRACED)
    assert not recorder.spans


async def test_a_failure_of_our_own_names_the_trace_in_the_log(
    http: httpx.AsyncClient,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(services.intake, "submit", fail)
    answer = await http.post("/predict_async", content=png(), headers=TRACED)
    assert answer.status_code == 500
    (entry,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert vars(entry)["trace_id"] == CAUSE.trace_id


async def test_a_repeated_job_goes_on_in_the_trace_of_the_failed_one(
    http: httpx.AsyncClient, services: Services
) -> None:
    job = await submit(http, services)
    lease = await services.queue.reserve(services.queue.lanes())
    assert lease is not None
    ended = failed(job, "timeout")
    await services.results.save(ended)
    await services.queue.ack(lease)
    await services.endings.settle(ended)
    answer = await http.post(f"/result/{job.id}/requeue")
    assert answer.status_code == 202, answer.text
    again = await services.results.get(answer.json()["request_id"])
    assert again.trace == TraceContext(CAUSE.trace_id, CAUSE.span_id, 1)
