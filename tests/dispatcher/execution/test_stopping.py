"""Jobs that nobody wants any more, while they are worked on by real consumers and pools."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest

from dispatcher.execution.consumer import MAX_DELIVERIES
from dispatcher.jobs import JobState
from dispatcher.pools.client import ReplicaClient
from dispatcher.queues.base import Lease
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.works import NAMES, Works, running, works
from tests.dispatcher.records import make_job, make_pipeline, make_stage
from tests.dispatcher.scripted_replica import in_turn
from tests.dispatcher.waiting import turns, until

TWO_STAGES = make_pipeline(
    make_stage("0", step_type="resize"), make_stage("1", step_type="classifier")
)


async def cancel(found: Works, name: str) -> None:
    """Do what an API does with a job that nobody else wants."""
    job = await found.results.get(name)
    assert await found.results.save(job.cancelled(job.queued_at))
    if not await found.queue.withdraw(name):
        found.consumer.stop(name)


async def test_the_work_on_a_cancelled_job_stops(client: ReplicaClient) -> None:
    async with works(client, scripted.hold) as found, running(found):
        await found.accept("job-1")
        await until(found.line.received)
        await cancel(found, "job-1")
        await until(found.is_idle, within_s=0.2)
        assert found.line.pools.replicas()[0].ongoing == 0
        assert await found.state("job-1") is JobState.CANCELLED
        assert (found.ended, found.void) == ([], [])
        assert found.line.pools.replicas()[0].errors == 0


async def test_the_slot_of_a_cancelled_job_is_free_for_others_at_once(
    client: ReplicaClient,
) -> None:
    script = in_turn(scripted.hang, scripted.hang, scripted.answer)
    async with works(client, script) as found, running(found):
        await found.accept(*NAMES[:8])
        await until(lambda: len(found.line.received()) == 8)
        await found.accept("later")
        await turns(20)
        assert await found.state("later") is JobState.QUEUED, "there is no room"
        for name in NAMES[:8]:
            await cancel(found, name)
        loop = asyncio.get_running_loop()
        cancelled_at = loop.time()
        await until(lambda: [job.id for job in found.ended] == ["later"])
        assert loop.time() - cancelled_at < 0.2


async def test_later_stages_of_a_cancelled_job_never_run(client: ReplicaClient) -> None:
    async with (
        works(client, scripted.hold, pipeline=TWO_STAGES) as found,
        running(found),
    ):
        await found.accept("job-1")
        await until(found.line.received)
        await cancel(found, "job-1")
        found.release_all()
        await until(found.is_idle)
        await turns(20)
        assert len(found.line.received()) == 1


async def test_a_neighbour_in_the_same_request_gets_its_answer(client: ReplicaClient) -> None:
    async with works(client, scripted.hold) as found, running(found):
        await found.accept("job-1", "job-2")
        await until(lambda: len(found.line.received()) == 2)
        await cancel(found, "job-1")
        found.release_all()
        await until(found.is_idle)
        assert await found.state("job-2") is JobState.COMPLETED
        assert [job.id for job in found.ended] == ["job-2"]


@pytest.mark.parametrize("after", range(14))
async def test_whenever_a_job_is_cancelled_it_is_no_longer_in_the_way(
    client: ReplicaClient, after: int
) -> None:
    async with works(client, scripted.hold) as found, running(found):
        await found.accept("job-1")
        await turns(after)
        await cancel(found, "job-1")
        await until(found.is_idle, within_s=0.2)
        assert await found.state("job-1") is JobState.CANCELLED
        assert (found.ended, found.void) == ([], [])


async def test_a_pause_before_another_attempt_is_ended_too(client: ReplicaClient) -> None:
    async with works(client, scripted.break_down) as found, running(found):
        found.line.pools.replicas()[0].ewma_item_s = 1.0
        await found.accept("job-1")
        await until(found.line.received)
        await cancel(found, "job-1")
        await until(found.is_idle)
        tried = len(found.line.received())
        await asyncio.sleep(0.02)
        assert len(found.line.received()) == tried


async def test_a_job_that_has_ended_is_run_for_those_who_follow_it(client: ReplicaClient) -> None:
    async with works(client, scripted.answer) as found:
        await found.accept("job-1", "job-2")
        for name in ("job-1", "job-2"):
            job = await found.results.get(name)
            await found.results.save(job.cancelled(job.queued_at))
        found.wanted_by_others.add("job-1")
        async with running(found):
            await until(found.is_idle)
        (outcome,) = found.void
        assert (outcome.id, outcome.state) == ("job-1", JobState.COMPLETED)
        assert found.line.received() == ["job-1"], "nobody wanted the other"
        assert await found.states("job-1", "job-2") == {JobState.CANCELLED}
        assert sum(found.figures.ended.values()) == 0


async def test_such_work_stops_when_the_last_follower_has_left(client: ReplicaClient) -> None:
    async with works(client, scripted.hold) as found, running(found):
        found.wanted_by_others.add("job-1")
        await found.accept("job-1")
        await until(found.line.received)
        await found.results.save(make_job("job-1").cancelled(0.0))
        await turns(20)
        assert not found.is_idle(), "it goes on for the others"
        found.consumer.stop("job-1")
        await until(found.is_idle, within_s=0.2)
        assert found.void == []


async def test_to_stop_what_is_not_in_hand_does_nothing(client: ReplicaClient) -> None:
    async with works(client, scripted.answer) as found, running(found):
        found.consumer.stop("job-1")
        await found.accept("job-1")
        await until(found.is_idle)
        found.consumer.stop("job-1")
        assert await found.state("job-1") is JobState.COMPLETED


async def test_a_job_whose_deadline_has_passed_is_sent_to_no_replica(
    client: ReplicaClient,
) -> None:
    async with works(client, scripted.answer) as found:
        await found.accept(*NAMES[:5], deadline_s=0.0)
        await found.accept("later")
        for name in NAMES[:5]:
            found.deadlines.watch(await found.results.get(name))
        async with running(found):
            await until(found.is_idle)
        assert found.line.received() == ["later"]
        assert await found.states(*NAMES[:5]) == {JobState.EXPIRED}


async def test_a_job_that_takes_the_dispatcher_with_it_each_time_is_given_up(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reserve_again(queue: MemoryJobQueue, lanes: Collection[str]) -> Lease | None:
        lease = await as_ever(queue, lanes)
        return None if lease is None else replace(lease, deliveries=MAX_DELIVERIES + 1)

    as_ever = MemoryJobQueue.reserve
    monkeypatch.setattr(MemoryJobQueue, "reserve", reserve_again)
    async with works(client, scripted.answer) as found:
        await found.accept("job-1")
        async with running(found):
            await until(found.is_idle)
        job = await found.results.get("job-1")
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error.code == "poison"
        assert found.line.received() == []
        assert [ended.id for ended in found.ended] == ["job-1"]
