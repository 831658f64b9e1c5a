"""Jobs that ended early, or should have, while the service was down: by the durable backends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.requeueing import Requeueing
from dispatcher.jobs import Job, JobError, JobState
from dispatcher.settings import load_settings
from dispatcher.wiring import Services, build_services
from tests.dispatcher.intake.submitting import DEFAULT, upload
from tests.dispatcher.records import completed, make_pipeline
from tests.dispatcher.waiting import until

LOST = JobError("replica_lost", "It is so.")


@asynccontextmanager
async def life(data_dir: Path) -> AsyncIterator[Services]:
    """One life of a service, as far as jobs are concerned: without replicas and consumer."""
    services = build_services(load_settings(["--queue", "sqlite", "--data-dir", str(data_dir)]))
    services.pipelines.replace([make_pipeline()])
    assert services.writer is not None
    async with AsyncExitStack() as stack:
        for resource in (services.writer, services.queue, services.results, services.blobs):
            await resource.start()
            stack.push_async_callback(resource.close)
        await services.recovery.run()
        yield services


async def submit(services: Services, options: SubmitOptions = DEFAULT) -> Job:
    return await services.intake.submit(upload(), options)


async def state_of(services: Services, job: Job) -> JobState:
    return (await services.results.get(job.id)).state


async def complete_next(services: Services) -> Job:
    """Carry the next job to the end of its work, as a consumer does."""
    lease = await services.queue.reserve(services.queue.lanes())
    assert lease is not None
    job = await services.results.get(lease.job_id)
    assert not job.state.is_terminal or services.coalescing.claim(job.id)
    ended = completed(job)
    is_kept = await services.results.save(ended)
    await services.queue.ack(lease)
    await services.endings.settle(ended, is_kept=is_kept)
    return ended


async def test_a_cancelled_job_does_not_come_back(tmp_path: Path) -> None:
    async with life(tmp_path) as services:
        job = await submit(services)
        await services.endings.cancel(job)
    async with life(tmp_path) as services:
        assert await state_of(services, job) is JobState.CANCELLED
        assert services.queue.depth() == services.blobs.total_bytes() == 0


async def test_those_who_follow_a_cancelled_job_get_their_results_in_the_next_life(
    tmp_path: Path,
) -> None:
    async with life(tmp_path) as services:
        leader, follower = [await submit(services) for _ in range(2)]
        await services.endings.cancel(leader)
    async with life(tmp_path) as services:
        assert services.queue.depth() == 1
        late = await submit(services)
        assert late.coalesced
        await complete_next(services)
        for job in (follower, late):
            assert await state_of(services, job) is JobState.COMPLETED
        assert await state_of(services, leader) is JobState.CANCELLED
        assert services.queue.depth() == services.queue.leased() == 0
        assert (await submit(services)).from_cache


async def test_when_they_leave_in_the_next_life_the_work_is_not_done(tmp_path: Path) -> None:
    async with life(tmp_path) as services:
        leader, follower = [await submit(services) for _ in range(2)]
        await services.endings.cancel(leader)
    async with life(tmp_path) as services:
        await services.endings.cancel(await services.results.get(follower.id))
        assert services.queue.depth() == services.blobs.total_bytes() == 0
        assert not (await submit(services)).coalesced


async def test_a_deadline_goes_on_while_the_service_is_down(tmp_path: Path) -> None:
    async with life(tmp_path) as services:
        late = await submit(services, SubmitOptions(deadline_s=0.01))
        other = await services.intake.submit(upload(1), SubmitOptions(deadline_s=600.0))
        await until(lambda: services.deadlines.is_over(late.id))
    async with life(tmp_path) as services:
        assert services.deadlines.is_over(late.id), "it is never sent to a replica"
        expiring = asyncio.create_task(services.deadlines.run(services.endings.expire))
        assert (await services.results.wait(late.id, timeout_s=10)).state is JobState.EXPIRED
        await until(lambda: services.deadlines.count() == 1)
        expiring.cancel()
        await asyncio.gather(expiring, return_exceptions=True)
        assert await state_of(services, other) is JobState.QUEUED


async def test_a_failed_job_can_be_repeated_in_the_next_life(tmp_path: Path) -> None:
    async with life(tmp_path) as services:
        job = await submit(services)
        lease = await services.queue.reserve(services.queue.lanes())
        assert lease is not None
        ended = job.failed(job.queued_at, LOST, attempts=3)
        assert await services.results.save(ended)
        await services.queue.ack(lease)
        await services.endings.settle(ended)
    async with life(tmp_path) as services:
        (dead,) = await services.results.list_jobs(tenant="", states=[JobState.FAILED])
        assert dead == ended
        again = await Requeueing(
            intake=services.intake,
            blobs=services.blobs,
            pipelines=services.pipelines,
            coalescing=services.coalescing,
            figures=services.figures,
        ).requeue(dead)
        assert again.requeued_from == job.id
        assert await services.blobs.get(again.digest)
        await complete_next(services)
        assert await state_of(services, again) is JobState.COMPLETED
