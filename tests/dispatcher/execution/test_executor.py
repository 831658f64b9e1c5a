import asyncio
import time

import pytest

from dispatcher.jobs import JobError, JobState
from dispatcher.pools.client import ReplicaClient
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import IMAGE, IMPATIENT, belt
from tests.dispatcher.records import make_job, make_pipeline, make_stage
from tests.dispatcher.scripted_replica import Script, in_turn, problem_reply, reply_with
from tests.dispatcher.waiting import until

CORRUPT = reply_with(lambda item: problem_reply(item, 422, "image_corrupt"))


async def test_a_job_is_completed_with_the_answer_of_its_replica(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        job = await line.run()
        (replica,) = line.replicas["default/0"]
        assert job.state is JobState.COMPLETED
        assert job.result == {"predictions": ["job-1"], "echo": "koala"}
        assert (job.revision, job.attempts) == ("r1", 1)
        (stage,) = job.stages
        assert (stage.step_id, stage.type) == ("0", "classifier")
        assert (stage.replica, stage.duration_s) == (replica.url, 0.001)
        assert job.completed_at is not None
        assert job.completed_at == pytest.approx(time.time(), abs=5)


async def test_a_replica_is_told_name_image_and_overrides(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        await line.run(overrides={"0": {"top_k": 3}, "1": {"top_k": 9}}, filename="a.png")
        (item,) = line.replicas["default/0"][0].requests[0].items
        assert (item.filename, item.image, item.params) == ("a.png", IMAGE, {"top_k": 3})


async def test_every_stage_is_run_in_order(client: ReplicaClient) -> None:
    pipeline = make_pipeline(
        make_stage("first", revision="r1"), make_stage("second", revision="r2")
    )
    async with belt(client, scripted.answer, pipeline=pipeline) as line:
        job = await line.run()
        assert [stage.step_id for stage in job.stages] == ["first", "second"]
        assert job.revision == pipeline.revision == "r1+r2"


@pytest.mark.parametrize(
    "fault",
    [
        scripted.reset,
        scripted.vanish,
        scripted.hang,
        scripted.break_down,
        scripted.break_off,
        scripted.swap_ids,
        scripted.say(b"garbage"),
        reply_with(lambda item: scripted.item_reply(item, body=b'{"scores": [NaN]}')),
    ],
    ids=["reset", "vanish", "hang", "500", "break off", "wrong ids", "garbage", "NaN"],
)
async def test_a_fault_of_one_replica_is_made_good_by_another(
    client: ReplicaClient, fault: Script
) -> None:
    scripts = (in_turn(fault, scripted.answer), scripted.answer)
    async with belt(client, *scripts, policy=IMPATIENT) as line:
        first, second = line.replicas["default/0"]
        job = await line.run()
        assert job.state is JobState.COMPLETED
        assert job.attempts == job.stages[0].attempts == 2
        assert len(first.requests) == len(second.requests) == 1
        assert job.stages[0].replica == second.url


async def test_a_poison_image_fails_after_three_attempts(client: ReplicaClient) -> None:
    async with belt(client, *[scripted.break_down] * 4) as line:
        job = await line.run()
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert (job.error.code, job.attempts) == ("replica_failed", 3)
        asked = [len(replica.requests) for replica in line.replicas["default/0"]]
        assert sorted(asked) == [0, 1, 1, 1], "each attempt at another replica"


async def test_one_replica_that_is_left_is_tried_again(client: ReplicaClient) -> None:
    flaky = in_turn(scripted.break_down, scripted.swap_ids, scripted.answer)
    async with belt(client, flaky) as line:
        job = await line.run()
        assert (job.state, job.attempts) == (JobState.COMPLETED, 3)


async def test_a_judgement_is_never_tried_again(client: ReplicaClient) -> None:
    async with belt(client, CORRUPT, CORRUPT) as line:
        job = await line.run()
        assert job.state is JobState.FAILED
        assert job.error == JobError("image_corrupt", "It is so.")
        assert (job.attempts, len(line.received())) == (1, 1)


async def test_a_job_that_fails_later_tells_which_stages_ran(client: ReplicaClient) -> None:
    pipeline = make_pipeline(make_stage("first"), make_stage("second"))
    async with belt(client, scripted.answer, pipeline=pipeline) as line:
        line.replicas["default/second"][0].script = CORRUPT
        job = await line.run()
        assert job.state is JobState.FAILED
        assert [stage.step_id for stage in job.stages] == ["first"]


async def test_an_image_that_never_left_uses_up_no_attempt(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        (server,) = line.replicas["default/0"]
        for _ in range(5):
            line.pools.apply({"default/0": [scripted.closed_url()]})
            line.make_ready()
            running = asyncio.create_task(line.run())
            pool = line.pools.get("default/0")
            await until(lambda: not any(replica.is_ready for replica in pool.replicas))  # noqa: B023
            line.pools.apply({"default/0": [server.url]})
            line.make_ready()
            assert (await running).attempts == 1


async def test_a_job_that_no_replica_can_take_fails_in_the_end(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.execution.attempts.NO_CAPACITY_TIMEOUT_S", 0.05)
    async with belt(client) as line:
        job = await line.run()
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert (job.error.code, job.attempts) == ("no_capacity", 0)


async def test_a_job_of_a_deleted_pipeline_fails(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        job = await line.run(pipeline_id="deleted")
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "unknown_pipeline")


async def test_a_job_whose_image_is_gone_fails(client: ReplicaClient) -> None:
    async with belt(client, scripted.answer) as line:
        job = await line.executor.run(make_job().started(time.time()))
        assert job.error is not None
        assert (job.state, job.error.code) == (JobState.FAILED, "input_missing")
        assert line.received() == []


async def test_a_job_that_is_cancelled_lets_go_of_its_replica(client: ReplicaClient) -> None:
    async with belt(client, scripted.hold) as line:
        (server,) = line.replicas["default/0"]
        running = asyncio.create_task(line.run())
        await until(lambda: server.requests)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
        server.released.set()
        await until(lambda: line.pools.replicas()[0].ongoing == 0)


async def test_a_step_whose_record_was_gone_for_a_moment_goes_on_with_its_new_pool(
    client: ReplicaClient,
) -> None:
    async with belt(client, in_turn(scripted.hang, scripted.answer), policy=IMPATIENT) as line:
        (replica,) = line.replicas["default/0"]
        running = asyncio.create_task(line.run())
        await until(lambda: len(replica.requests) == 1)
        line.pools.apply({})
        line.pools.apply({"default/0": [replica.url]})
        line.make_ready()
        job = await running
        assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
