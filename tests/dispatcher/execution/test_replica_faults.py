"""What one bad replica of three does to jobs: nothing. Named after the faults that were listed.

``Fnn`` is the row of the table of faults; what the other rows of replicas (F45, F46) are about is
tested where it is decided, in ``intake``.
"""

import asyncio
import gzip
import hashlib
import time
from collections.abc import Sequence

import pytest
from aiohttp import web

from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.replica import Replica
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import Belt, belt
from tests.dispatcher.records import make_job
from tests.dispatcher.scripted_replica import Request, Script, frame, item_reply
from tests.dispatcher.waiting import until

STEP = "default/0"
POLICY = HealthPolicy(
    min_attempt_timeout_s=0.3, max_attempt_timeout_s=0.3, base_ejection_s=60.0, max_ejection_s=60.0
)
"""Silence is noticed soon, and who is ejected does not come back within the test."""
GOOD: Sequence[Script] = (scripted.answer, scripted.answer)


def answer_with(status: int, **headers: str) -> Script:
    async def script(_: Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return script


async def compress(request: Request) -> web.StreamResponse:
    """Answer as agreed, but compressed, as a bomb would be."""
    usual = frame(request, [item_reply(item) for item in request.items])
    assert isinstance(usual.body, bytes)
    headers = {"Content-Encoding": "gzip"}
    return web.Response(body=gzip.compress(usual.body), headers=headers)


async def announce_two_gigabytes(request: Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(2 * 1024**3)})
    await response.prepare(request.http)
    await request.replica.released.wait()
    return response


async def send_without_end(request: Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request.http)
    while request.http.transport is not None:
        await response.write(bytes(2**20))
    return response


async def break_off_chunked(request: Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request.http)
    await response.write(b"CVB1")
    assert request.http.transport is not None
    request.http.transport.abort()
    return response


async def run_many(line: Belt, count: int, *, at_once: int = 6) -> list[Job]:
    """Carry so many jobs, a few at a time."""
    executor, places = line.executor, asyncio.Semaphore(at_once)

    async def run(number: int) -> Job:
        image = f"image-{number}".encode()
        digest = hashlib.sha256(image).hexdigest()
        await line.blobs.put(digest, image)
        job = make_job(f"job-{number}", digest=digest).started(time.time())
        async with places:
            return await executor.run(job)

    async with asyncio.timeout(20):
        return await asyncio.gather(*(run(number) for number in range(count)))


def first(line: Belt) -> Replica:
    return line.pools.get(STEP).replicas[0]


def assert_all_well(jobs: Sequence[Job]) -> None:
    for job in jobs:
        assert job.state is JobState.COMPLETED, job.error
        number = job.id.removeprefix("job-")
        assert job.result == {"predictions": [job.id], "echo": f"image-{number}"}
        assert 1 <= job.attempts <= 3


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(scripted.reset, id="F37 reset"),
        pytest.param(scripted.vanish, id="F37 vanish"),
        pytest.param(scripted.hang, id="F38 hang"),
        pytest.param(scripted.drip, id="F38 drip"),
        pytest.param(scripted.break_down, id="F40 500"),
        pytest.param(answer_with(502), id="F40 502"),
        pytest.param(answer_with(503, **{"Retry-After": "60"}), id="F40 503"),
        pytest.param(answer_with(429), id="F40 429"),
        pytest.param(answer_with(302, Location="http://127.0.0.1:1/"), id="F40 302"),
        pytest.param(scripted.say(b"garbage"), id="F41 garbage"),
        pytest.param(scripted.say(b"<html>It works!</html>"), id="F41 HTML"),
        pytest.param(scripted.say(b""), id="F41 empty"),
        pytest.param(scripted.break_off, id="F41 truncated"),
        pytest.param(break_off_chunked, id="F41 truncated chunks"),
        pytest.param(scripted.swap_ids, id="F42 other ids"),
        pytest.param(announce_two_gigabytes, id="F43 2 GiB"),
        pytest.param(send_without_end, id="F43 no end"),
        pytest.param(compress, id="F43 gzip"),
    ],
)
async def test_one_bad_replica_of_three_is_ejected_and_no_job_sees_it(
    client: ReplicaClient, fault: Script
) -> None:
    async with belt(client, fault, *GOOD, policy=POLICY) as line:
        async with asyncio.timeout(20):
            while first(line).is_ready:
                assert_all_well(await run_many(line, 60))
        assert sum(replica.is_ready for replica in line.pools.replicas()) == 2
        bad, *_ = line.replicas[STEP]
        assert len(bad.requests) <= 5, "it was ejected after five failures at most"


async def test_f36_a_refused_connection_is_not_counted_as_an_attempt(
    client: ReplicaClient,
) -> None:
    async with belt(client, *GOOD, policy=POLICY) as line:
        urls = [server.url for server in line.replicas[STEP]]
        line.pools.apply({STEP: [scripted.closed_url(), *urls]})
        line.make_ready()
        jobs = await run_many(line, 60)
        assert_all_well(jobs)
        assert {job.attempts for job in jobs} == {1}


async def test_each_attempt_that_is_repeated_is_told_of_and_none_that_is_not(
    client: ReplicaClient,
) -> None:
    script = scripted.in_turn(scripted.break_down, scripted.say(b"garbage"), scripted.answer)
    async with belt(client, script) as line:
        assert (await line.run()).state is JobState.COMPLETED
        assert [error.code for error in line.retried] == ["replica_failed", "invalid_response"]
    async with belt(client, scripted.break_down) as line:
        assert (await line.run()).state is JobState.FAILED
        assert len(line.retried) == 2, "the third attempt was the last"


async def test_f39_a_slow_replica_gets_hardly_any_work(client: ReplicaClient) -> None:
    def taking(seconds: float) -> Script:
        at_work = asyncio.Lock()

        async def script(request: Request) -> web.StreamResponse:
            async with at_work:
                await asyncio.sleep(seconds * len(request.items))
            return await scripted.answer(request)

        return script

    async with belt(client, taking(0.1), taking(0.005), taking(0.005)) as line:
        assert_all_well(await run_many(line, 300, at_once=4))
        assert sum(len(ids) for ids in line.replicas[STEP][0].ids()) <= 12


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_f40_a_request_refused_with_4xx_fails_for_good(
    client: ReplicaClient, status: int
) -> None:
    async with belt(client, answer_with(status)) as line:
        job = await line.run()
        assert job.error is not None
        assert (job.error.code, job.attempts) == ("replica_rejected", 1)


async def test_f40_of_several_that_are_refused_together_only_the_one_at_fault_fails(
    client: ReplicaClient,
) -> None:
    async def refuse(request: Request) -> web.StreamResponse:
        names = [item.id for item in request.items]
        if "job-1" in names:
            return web.Response(status=400)
        return await scripted.answer(request)

    async with belt(client, refuse) as line:
        jobs = await run_many(line, 4)
        failed = [job for job in jobs if job.state is JobState.FAILED]
        assert [job.id for job in failed] == ["job-1"]
        assert_all_well([job for job in jobs if job not in failed])


async def test_f40_the_only_replica_is_left_alone_for_as_long_as_it_asks(
    client: ReplicaClient,
) -> None:
    busy = answer_with(503, **{"Retry-After": "1"})
    async with belt(client, scripted.in_turn(busy, scripted.answer)) as line:
        before = time.monotonic()
        job = await line.run()
        assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
        assert time.monotonic() - before >= 1.0


async def test_f42_answers_to_other_items_raise_an_alarm(
    client: ReplicaClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with belt(client, scripted.swap_ids, *GOOD, policy=POLICY) as line:
        assert_all_well(await run_many(line, 20))
    assert "breaks the contract: the reply answers other items" in caplog.text


async def test_f45_jobs_wait_for_a_replica_and_end_once_there_is_one(
    client: ReplicaClient,
) -> None:
    async with belt(client, scripted.answer) as line:
        (server,) = line.replicas[STEP]
        line.pools.apply({STEP: []})
        running = asyncio.create_task(line.run())
        pool = line.pools.get(STEP)
        await until(lambda: pool.starved_s(now=time.monotonic()) > 0)
        line.pools.apply({STEP: [server.url]})
        line.make_ready()
        assert (await running).attempts == 1
        assert pool.starved_s(now=time.monotonic()) == 0


async def test_f46_an_old_replica_gives_the_result_its_own_revision(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        line.replicas[STEP][0].revision = "old"
        assert (await line.run(expected_revision="r1")).revision == "old"


async def test_f59_an_image_whose_answers_are_lost_is_run_three_times_at_most(
    client: ReplicaClient,
) -> None:
    policy = HealthPolicy(base_ejection_s=0.01, max_ejection_s=0.01)
    async with belt(client, scripted.vanish, scripted.vanish, policy=policy) as line:
        running = asyncio.create_task(line.run())
        while not running.done():
            line.make_ready()
            await asyncio.sleep(0.005)
        assert (await running).state is JobState.FAILED
        assert len(line.received()) == 3
