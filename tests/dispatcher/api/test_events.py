"""A job followed by server-sent events."""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from dispatcher.api.events import events_of
from dispatcher.jobs import Job, JobState
from dispatcher.wiring import Services
from tests.dispatcher.api.streaming import following
from tests.dispatcher.records import completed, failed, make_job
from tests.dispatcher.waiting import turns, until


async def add(services: Services, job_id: str = "a", **changes: Any) -> Job:
    job = make_job(job_id, **changes)
    await services.results.add(job)
    return job


async def end(services: Services, job: Job) -> Job:
    ended = completed(job)
    assert await services.results.save(ended)
    return ended


async def test_each_change_of_state_is_an_event_and_the_last_is_the_result(
    services: Services, http: httpx.AsyncClient
) -> None:
    job = await add(services)
    async with following(services, "a") as (stream, serving):
        await stream.until_events(1)
        started = job.started(time.time())
        await services.results.save(started)
        await stream.until_events(2)
        assert not serving.done()
        await end(services, started)
        events = await stream.until_events(3)
        async with asyncio.timeout(5):
            await serving
    assert [(event.number, event.name) for event in events] == [
        (1, "queued"),
        (2, "processing"),
        (3, "completed"),
    ]
    assert [event.data["status"] for event in events] == [event.name for event in events]
    assert events[-1].data == (await http.get("/result/a")).json()
    assert stream.is_complete


async def test_a_stream_says_what_it_is_and_when_to_come_back(services: Services) -> None:
    await add(services)
    async with following(services, "a") as (stream, _):
        await stream.until_events(1)
    assert stream.status == 200
    assert stream.headers[b"content-type"] == b"text/event-stream"
    assert stream.headers[b"cache-control"] == b"no-store"
    assert stream.headers[b"x-accel-buffering"] == b"no"
    assert stream.blocks()[0] == "retry: 2000"


@pytest.mark.parametrize(
    ("last_event_id", "expected"),
    [(None, [1, 2, 3]), ("1", [2, 3]), ("2", [3]), ("0", [1, 2, 3]), ("x", [1, 2, 3])],
)
async def test_a_client_that_comes_back_goes_on_where_it_was(
    services: Services, last_event_id: str | None, expected: list[int]
) -> None:
    await end(services, await add(services))
    async with following(services, "a", last_event_id=last_event_id) as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert [event.number for event in stream.events()] == expected


async def test_a_client_that_has_everything_is_told_not_to_come_back(services: Services) -> None:
    await end(services, await add(services))
    async with following(services, "a", last_event_id="3") as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert (stream.status, stream.text) == (204, "")


async def test_a_client_that_comes_back_too_early_waits_for_what_is_new(
    services: Services,
) -> None:
    job = await add(services)
    async with following(services, "a", last_event_id="2") as (stream, _):
        await until(stream.blocks)
        await end(services, job)
        events = await stream.until_events(1)
    assert [event.number for event in events] == [3]


async def test_nothing_new_is_a_comment_now_and_then(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.api.events.HEARTBEAT_S", 0.01)
    job = await add(services)
    async with following(services, "a") as (stream, serving):
        await until(lambda: stream.text.count(": still here") >= 2)
        await end(services, job)
        async with asyncio.timeout(5):
            await serving
    assert [event.number for event in stream.events()] == [1, 2, 3]


async def test_a_client_that_leaves_is_not_waited_for(services: Services) -> None:
    await add(services)
    async with following(services, "a") as (stream, serving):
        await stream.until_events(1)
        stream.gone.set()
        async with asyncio.timeout(5):
            await serving
    assert not stream.is_complete, "nothing is sent to who has left"


async def test_a_service_that_ends_ends_its_streams(services: Services) -> None:
    await add(services)
    async with following(services, "a") as (stream, serving):
        await stream.until_events(1)
        services.lifecycle.ending.set()
        services.results.stop_waiting()
        async with asyncio.timeout(5):
            await serving
    assert stream.is_complete
    assert [event.number for event in stream.events()] == [1]


async def test_a_client_that_reads_nothing_has_one_event_waiting_and_no_more(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.api.events.HEARTBEAT_S", 0.001)
    job = await add(services)
    async with following(services, "a") as (stream, serving):
        await stream.until_events(1)
        stream.may_take.clear()
        seen = len(stream.blocks())
        await end(services, job)
        await turns(50)
        assert len(stream.blocks()) == seen
        stream.gone.set()  # what the connection says once it breaks such a client off
        async with asyncio.timeout(5):
            await serving


@pytest.mark.parametrize(("job_id", "tenant"), [("unknown", ""), ("a", "somebody else")])
async def test_a_job_that_is_not_the_callers_is_not_found(
    services: Services, job_id: str, tenant: str
) -> None:
    await add(services, tenant="owner")
    async with following(services, job_id, tenant=tenant) as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert stream.status == 404
    assert stream.headers[b"content-type"] == b"application/problem+json"


async def test_a_job_of_ones_own_can_be_followed(services: Services) -> None:
    await end(services, await add(services, tenant="owner"))
    async with following(services, "a", tenant="owner") as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert len(stream.events()) == 3


async def test_a_job_that_is_no_longer_kept_is_gone(services: Services) -> None:
    job = await add(services, queued_at=1000.0)
    await services.results.save(failed(job, at=1001.0))
    async with following(services, "a") as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert stream.status == 410


async def test_an_unknown_query_is_refused(services: Services) -> None:
    await add(services)
    async with following(services, "a", query=b"wait=3") as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert stream.status == 400


async def test_asking_for_the_head_alone_opens_no_stream(services: Services) -> None:
    await add(services)
    async with following(services, "a", method="HEAD") as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert (stream.status, stream.text) == (200, "")


async def test_more_streams_than_allowed_are_refused_and_those_that_end_make_room(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.api.events.MAX_STREAMS", 0)
    await add(services)
    async with following(services, "a") as (stream, serving):
        async with asyncio.timeout(5):
            await serving
    assert (stream.status, stream.headers[b"retry-after"]) == (503, b"5")


def test_a_job_that_never_ran_was_never_processing() -> None:
    job = make_job()
    assert [event.number for event in events_of(job)] == [1]
    assert [event.number for event in events_of(job.cancelled(time.time()))] == [1, 3]
    assert [event.number for event in events_of(job.started(1.0).expired(2.0))] == [1, 2, 3]


def test_an_answer_from_the_cache_has_only_ended() -> None:
    (event,) = events_of(make_job().served_from_cache({"predictions": []}, (), "r1"))
    assert (event.number, event.state) == (3, JobState.COMPLETED)


def test_whatever_a_client_has_named_its_file_an_event_stays_one() -> None:
    job = completed(make_job(filename="a\n\ndata: x\r\n\u2028.png"), at=1.0)
    lines: MutableMapping[str, str] = {}
    for line in events_of(job)[-1].encode().decode().rstrip("\n").split("\n"):
        name, _, text = line.partition(": ")
        assert name not in lines
        lines[name] = text
    assert list(lines) == ["id", "event", "data"]
