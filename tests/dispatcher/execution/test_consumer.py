import asyncio
import random

import pytest

from dispatcher.blobs.memory import MemoryBlobStore
from dispatcher.errors import NotFoundError
from dispatcher.jobs import Job, JobState
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import HealthPolicy
from dispatcher.results.memory import MemoryResultStore
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import belt
from tests.dispatcher.execution.works import DIGEST, NAMES, Works, running, works
from tests.dispatcher.records import completed, make_job
from tests.dispatcher.scripted_replica import in_turn, problem_reply, reply_with
from tests.dispatcher.waiting import turns, until


async def test_every_job_is_carried_to_its_end(client: ReplicaClient) -> None:
    async with works(client, scripted.answer, scripted.answer) as found, running(found):
        await found.accept(*NAMES)
        await until(found.is_idle)
        assert {await found.state(name) for name in NAMES} == {JobState.COMPLETED}
        assert sorted(found.line.received()) == sorted(NAMES), "each was computed once"
        assert sorted(job.id for job in found.ended) == sorted(NAMES), "and reported once"
        assert found.figures.ended[JobState.COMPLETED] == len(NAMES)
        assert found.figures.drain_rate() > 0


async def test_jobs_wait_in_the_queue_and_not_in_the_pools(client: ReplicaClient) -> None:
    async with works(client, scripted.hold, scripted.hold) as found, running(found):
        await found.accept(*NAMES)
        slots = found.line.pools.slots()
        await until(lambda: found.queue.leased() >= slots)
        await turns(20)
        assert found.queue.leased() == slots == 16
        assert found.queue.depth() == len(NAMES) - slots
        assert await found.state(NAMES[0]) is JobState.PROCESSING
        assert await found.state(NAMES[-1]) is JobState.QUEUED
        for replica in found.line.replicas["default/0"]:
            replica.released.set()
        await until(found.is_idle)


async def test_no_job_is_taken_while_no_replica_is_ready(client: ReplicaClient) -> None:
    async with works(client, scripted.answer) as found, running(found):
        urls = [replica.url for replica in found.line.replicas["default/0"]]
        found.line.pools.apply({"default/0": []})
        await found.accept("job-1")
        await turns(20)
        assert (found.queue.depth(), found.queue.leased()) == (1, 0)
        found.line.pools.apply({"default/0": urls})
        found.line.make_ready()
        await until(found.is_idle)
        assert await found.state("job-1") is JobState.COMPLETED


async def test_jobs_end_even_when_no_replica_is_ready_for_long(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.execution.consumer.STARVED_AFTER_S", 0.05)
    monkeypatch.setattr("dispatcher.execution.attempts.NO_CAPACITY_TIMEOUT_S", 0.05)
    async with works(client) as found, running(found):
        await found.accept("job-1", "job-2")
        await until(lambda: len(found.ended) == 2)
        assert {job.error.code for job in found.ended if job.error} == {"no_capacity"}
        assert found.is_idle()


async def test_a_failed_job_is_ended_and_reported_like_any_other(client: ReplicaClient) -> None:
    corrupt = reply_with(lambda item: problem_reply(item, 422, "image_corrupt"))
    async with works(client, corrupt) as found, running(found):
        await found.accept("job-1")
        await until(found.is_idle)
        assert await found.state("job-1") is JobState.FAILED
        assert found.figures.ended[JobState.FAILED] == 1
        assert [job.id for job in found.ended] == ["job-1"]


async def test_a_job_that_is_stopped_is_given_back_and_run_later(client: ReplicaClient) -> None:
    async with works(client, scripted.hold) as found:
        async with running(found):
            await found.accept("job-1", "job-2")
            await until(found.line.received)
        assert (found.queue.depth(), found.queue.leased()) == (2, 0)
        assert found.ended == []
        async with running(found):
            found.line.replicas["default/0"][0].released.set()
            await until(found.is_idle)
        assert await found.state("job-1") is JobState.COMPLETED
        assert await found.state("job-2") is JobState.COMPLETED
        assert len(found.ended) == 2


@pytest.mark.parametrize("after", range(12))
async def test_whenever_it_is_stopped_no_job_is_lost(client: ReplicaClient, after: int) -> None:
    async with works(client, scripted.answer) as found:
        await found.accept(*NAMES[:3])
        async with running(found):
            await turns(after)
        async with running(found):
            await until(found.is_idle)
        assert {await found.state(name) for name in NAMES[:3]} == {JobState.COMPLETED}
        assert sorted(job.id for job in found.ended) == NAMES[:3]


async def test_a_job_that_nobody_knows_is_taken_off_the_queue(client: ReplicaClient) -> None:
    async with works(client, scripted.answer) as found, running(found):
        await found.queue.put([make_job("stranger")])
        await found.accept("job-1")
        await until(found.is_idle)
        assert await found.state("job-1") is JobState.COMPLETED
        assert [job.id for job in found.ended] == ["job-1"]
        with pytest.raises(NotFoundError):
            await found.results.get("stranger")


async def test_a_job_that_has_ended_before_is_not_run_again(client: ReplicaClient) -> None:
    async with works(client, scripted.answer) as found, running(found):
        ended = completed(make_job("job-1", digest=DIGEST))
        await found.results.add(ended)
        await found.queue.put([make_job("job-1")])
        await until(found.is_idle)
        assert await found.results.get("job-1") == ended
        assert found.line.received() == []
        assert found.ended == [], "it was reported when it ended"
        assert sum(found.figures.ended.values()) == 0


class BrokenBlobs(MemoryBlobStore):
    """A store whose disk fails."""

    async def get(self, digest: str) -> bytes:
        raise OSError("the disk is gone")


async def test_a_fault_of_our_own_fails_the_job_and_not_the_loop(
    client: ReplicaClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with works(client, scripted.answer, blobs=BrokenBlobs()) as found, running(found) as loop:
        await found.accept("job-1", "job-2")
        await until(found.is_idle)
        job = await found.results.get("job-1")
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error.code == "internal_error"
        assert "disk" not in job.error.detail
        assert not loop.done()
    assert "the disk is gone" in caplog.text


class FailingResults(MemoryResultStore):
    """A store that fails for a while."""

    faults = 0

    async def save(self, job: Job) -> bool:
        if self.faults:
            self.faults -= 1
            raise OSError("the disk is full")
        return await super().save(job)


@pytest.mark.parametrize("faults", [1, 2, 3])
async def test_a_store_that_fails_for_a_while_loses_no_job(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch, faults: int
) -> None:
    monkeypatch.setattr("dispatcher.execution.consumer.GIVE_BACK_PAUSE_S", 0.001)
    async with belt(client, scripted.answer) as line:
        results = FailingResults(retention_s=60, retention_count=100)
        results.faults = faults
        found = Works(line, results=results)
        async with running(found) as loop:
            await found.accept("job-1")
            await until(lambda: found.ended)
            assert not loop.done()
        assert await found.state("job-1") is JobState.COMPLETED
        assert [job.id for job in found.ended] == ["job-1"]
        assert found.is_idle()


async def test_a_job_is_given_back_though_it_is_stopped_in_the_pause_before(
    client: ReplicaClient,
) -> None:
    async with belt(client, scripted.answer) as line:
        results = FailingResults(retention_s=60, retention_count=100)
        results.faults = 1
        found = Works(line, results=results)
        async with running(found):
            await found.accept("job-1")
            await until(lambda: results.faults == 0)
            await turns(5)
        assert (found.queue.depth(), found.queue.leased()) == (1, 0)


async def test_who_waits_for_a_result_has_it_as_soon_as_it_is_there(
    client: ReplicaClient,
) -> None:
    async with works(client, scripted.hold) as found, running(found):
        await found.accept("job-1")
        waiting = asyncio.create_task(found.results.wait("job-1", timeout_s=30))
        await until(found.line.received)
        assert not waiting.done()
        found.line.replicas["default/0"][0].released.set()
        async with asyncio.timeout(5):
            assert (await waiting).state is JobState.COMPLETED


@pytest.mark.parametrize("seed", range(2))
async def test_every_job_ends_once_whatever_the_replicas_do(
    client: ReplicaClient, seed: int
) -> None:
    dice = random.Random(seed)
    good, faults = scripted.answer, [scripted.reset, scripted.break_down, scripted.swap_ids]
    scripts = [
        in_turn(*(dice.choice([good, good, dice.choice(faults)]) for _ in range(500)))
        for _ in range(3)
    ]
    policy = HealthPolicy(base_ejection_s=0.02, max_ejection_s=0.05)
    async with works(client, *scripts, policy=policy) as found:
        await found.accept(*NAMES)

        async def probe() -> None:
            while True:
                found.line.make_ready()
                await asyncio.sleep(0.005)

        probing = asyncio.create_task(probe())
        for _ in range(3):
            async with running(found):
                await turns(dice.randrange(100))
        async with running(found):
            await until(found.is_idle)
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        states = [await found.state(name) for name in NAMES]
        assert set(states) <= {JobState.COMPLETED, JobState.FAILED}
        assert JobState.COMPLETED in states
        assert sorted(job.id for job in found.ended) == sorted(NAMES)
        assert found.figures.ended[JobState.COMPLETED] == states.count(JobState.COMPLETED)
        for name in NAMES:
            job = await found.results.get(name)
            if job.result is not None:
                assert job.result["predictions"] == [name], "its own result and no other's"
