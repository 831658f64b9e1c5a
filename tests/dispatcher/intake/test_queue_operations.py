"""An operator empties the queue and fills it again with what has failed; no job is lost by it."""

import asyncio
import time
from collections.abc import Callable

import pytest

from dispatcher.errors import GoneError, NoReplicaError, OverloadedError
from dispatcher.intake.new_jobs import SubmitOptions
from dispatcher.intake.queue_operations import Purged, QueueOperations, Selection
from dispatcher.intake.requeueing import Requeueing
from dispatcher.jobs import Job, JobState
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher.intake.ending import outcome, settle, state_of, take
from tests.dispatcher.intake.submitting import submit
from tests.dispatcher.records import failed, make_pipeline
from tests.dispatcher.rooms import Rooms
from tests.dispatcher.waiting import until

ALL = Selection()


@pytest.fixture
def rooms() -> Rooms:
    opened = Rooms(queue=MemoryJobQueue(capacity=50))
    opened.pipelines.replace([make_pipeline(), make_pipeline(pipeline_id="other")])
    return opened


@pytest.fixture
def operations(rooms: Rooms) -> QueueOperations:
    requeueing = Requeueing(
        intake=rooms.intake,
        blobs=rooms.blobs,
        pipelines=rooms.pipelines,
        coalescing=rooms.coalescing,
        figures=rooms.figures,
    )
    return QueueOperations(
        queue=rooms.queue, results=rooms.results, endings=rooms.endings, requeueing=requeueing
    )


async def submitted(
    rooms: Rooms, count: int, *, tenant: str = "", webhook_url: str | None = None
) -> list[Job]:
    options = SubmitOptions(tenant=tenant, webhook_url=webhook_url)
    return [await submit(rooms, seed, options) for seed in range(count)]


async def fail_all(rooms: Rooms, code: str = "poison") -> list[Job]:
    """Fail all jobs that wait, as a consumer does."""
    ended = []
    while rooms.queue.depth():
        lease = await rooms.next_lease()
        job = failed(await rooms.results.get(lease.job_id), code)
        await rooms.queue.ack(lease)
        await settle(rooms, job)
        ended.append(job)
    return ended


class TestPurge:
    async def test_each_job_that_waits_ends_as_cancelled(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        jobs = await submitted(rooms, 5)
        assert await operations.purge_waiting(ALL) == Purged(5, dead=0, is_more=False)
        assert {await state_of(rooms, job) for job in jobs} == {JobState.CANCELLED}
        assert (rooms.queue.depth(), rooms.blobs.total_bytes()) == (0, 0)
        assert rooms.figures.ended[JobState.CANCELLED] == 5

    async def test_whoever_waits_for_an_identical_one_is_told_as_well(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        jobs = [await submit(rooms), await submit(rooms)]
        assert jobs[1].coalesced
        assert (await operations.purge_waiting(ALL)).count == 2
        assert {await state_of(rooms, job) for job in jobs} == {JobState.CANCELLED}
        assert (rooms.queue.depth(), rooms.blobs.total_bytes()) == (0, 0)

    async def test_what_is_in_work_goes_on(self, rooms: Rooms, operations: QueueOperations) -> None:
        await submitted(rooms, 2)
        working = await take(rooms)
        assert (await operations.purge_waiting(ALL)).count == 1
        assert await state_of(rooms, working) is JobState.PROCESSING
        assert rooms.stopped == []
        await outcome(rooms, working)
        assert await state_of(rooms, working) is JobState.COMPLETED

    async def test_webhooks_are_told(self, rooms: Rooms, operations: QueueOperations) -> None:
        [job] = await submitted(rooms, 1, webhook_url="https://example.org/hook")
        await operations.purge_waiting(ALL)
        assert [delivery.job_id for delivery in await rooms.results.deliveries()] == [job.id]

    async def test_other_lanes_are_left_alone(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        [kept] = await submitted(rooms, 1)
        purged = await submit(rooms, 1, SubmitOptions(pipeline="other"))
        assert (await operations.purge_waiting(Selection(lane="other"))).count == 1
        assert await state_of(rooms, purged) is JobState.CANCELLED
        assert await state_of(rooms, kept) is JobState.QUEUED

    async def test_what_came_later_is_left_alone(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        [kept] = await submitted(rooms, 1)
        assert (await operations.purge_waiting(Selection(before=kept.queued_at - 1))).count == 0
        assert await state_of(rooms, kept) is JobState.QUEUED

    async def test_a_call_does_a_bounded_part_and_says_that_there_is_more(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 7)
        parts = [await operations.purge_waiting(ALL, limit=3) for _ in range(3)]
        assert [(part.count, part.is_more) for part in parts] == [(3, True), (3, True), (1, False)]

    async def test_jobs_of_all_tenants_are_meant(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 1, tenant="ann")
        await submitted(rooms, 1, tenant="bob")
        assert (await operations.purge_waiting(ALL)).count == 2

    async def test_failed_jobs_are_dropped_with_their_images_and_the_others_stay(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 3)
        lost = await fail_all(rooms)
        [waiting] = [await submit(rooms, 9)]
        assert (await operations.purge_failed(Selection(code="other code"))).count == 0
        assert await operations.purge_failed(ALL) == Purged(3, dead=0, is_more=False)
        for job in lost:
            with pytest.raises(GoneError):
                await rooms.results.get(job.id)
        assert await state_of(rooms, waiting) is JobState.QUEUED
        await operations.purge_waiting(ALL)
        collecting = asyncio.create_task(rooms.collector.run(rooms.results))
        await until(lambda: rooms.blobs.total_bytes() == 0)
        collecting.cancel()


class TestRequeue:
    async def test_each_failed_job_is_repeated_once_however_often_it_is_asked_for(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 4)
        ended = await fail_all(rooms)
        first, second = await operations.requeue(ALL), await operations.requeue(ALL)
        assert (first.count, first.skipped, first.next_after) == (4, {}, None)
        assert (second.count, second.skipped) == (0, {"repeated_before": 4})
        waiting = await rooms.results.list_jobs(tenant=None, states={JobState.QUEUED})
        assert {job.requeued_from for job in waiting} == {job.id for job in ended}

    async def test_one_that_fails_again_is_repeated_again(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 1)
        for _ in range(3):
            await fail_all(rooms)
            assert (await operations.requeue(ALL)).count == 1

    async def test_only_what_is_meant_is_repeated(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 2)
        [poison, _] = await fail_all(rooms, "poison")
        await submit(rooms, 5, SubmitOptions(pipeline="other"))
        await fail_all(rooms, "replica_lost")
        for selection, count in [
            (Selection(code="unknown"), 0),
            (Selection(lane="other", code="poison"), 0),
            (Selection(before=(poison.completed_at or 0.0) - 1), 0),
            (Selection(code="poison"), 2),
            (Selection(lane="other", code="replica_lost", before=time.time() + 1), 1),
        ]:
            assert (await operations.requeue(selection)).count == count

    async def test_it_goes_on_where_an_earlier_call_has_stopped(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 5)
        await fail_all(rooms)
        counts, after = [], None
        while True:
            part = await operations.requeue(ALL, after=after, limit=2)
            counts.append(part.count)
            after = part.next_after
            if after is None:
                break
        assert (counts, rooms.queue.depth()) == ([2, 2, 1], 5)

    async def test_what_cannot_be_repeated_is_counted_by_its_reason(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        gone, _ = await submitted(rooms, 2)
        await submit(rooms, 2, SubmitOptions(pipeline="other"))
        await fail_all(rooms)
        await rooms.blobs.release(gone.digest)
        rooms.pipelines.replace([make_pipeline()])
        part = await operations.requeue(ALL)
        assert (part.count, part.skipped) == (1, {"image_gone": 1, "unknown_pipeline": 1})

    async def test_a_full_queue_takes_what_it_can_and_the_rest_later(self) -> None:
        rooms = Rooms(queue=MemoryJobQueue(capacity=3))
        requeueing = Requeueing(
            intake=rooms.intake,
            blobs=rooms.blobs,
            pipelines=None,
            coalescing=rooms.coalescing,
            figures=rooms.figures,
        )
        operations = QueueOperations(
            queue=rooms.queue, results=rooms.results, endings=rooms.endings, requeueing=requeueing
        )
        ended: list[Job] = []
        for seed in range(5):
            await submit(rooms, seed)
            ended += await fail_all(rooms)
        part = await operations.requeue(ALL)
        assert (part.count, part.next_after) == (3, ended[2].id)
        with pytest.raises(OverloadedError):
            await operations.requeue(ALL, after=part.next_after)
        await operations.purge_waiting(ALL)
        rest = await operations.requeue(ALL, after=part.next_after)
        assert (rest.count, rest.next_after) == (2, None)

    async def test_what_has_just_been_repeated_is_refused_whole_when_nobody_could_do_it(
        self, rooms: Rooms, operations: QueueOperations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await submitted(rooms, 1)
        await fail_all(rooms)
        monkeypatch.setattr(rooms.intake, "admit", _refusing(NoReplicaError()))
        with pytest.raises(NoReplicaError):
            await operations.requeue(ALL)
        monkeypatch.undo()
        assert (await operations.requeue(ALL)).count == 1, "its key is free again"


class TestLook:
    async def test_what_waits_is_in_work_and_has_failed_is_told(
        self, rooms: Rooms, operations: QueueOperations
    ) -> None:
        await submitted(rooms, 2)
        await fail_all(rooms, "poison")
        await submitted(rooms, 3)
        await take(rooms)
        state = await operations.look()
        assert (state.report.waiting, state.report.in_work) == (2, 1)
        assert state.failed == {"poison": 2}
        assert abs(state.at - time.time()) < 60


def _refusing(error: Exception) -> Callable[[object], None]:
    def refuse(_: object) -> None:
        raise error

    return refuse
