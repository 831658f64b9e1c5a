"""What a consumer does differently when other dispatchers share its queue."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from dispatcher.execution.consumer import STARVED_AFTER_S
from dispatcher.jobs import JobState, OperationSpec
from dispatcher.pipelines.model import Pipeline
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pools.client import ReplicaClient
from dispatcher.queues.base import CLOCKS_DIFFER_S
from dispatcher.queues.memory import MemoryJobQueue
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.belt import belt
from tests.dispatcher.execution.test_consumer_lanes import OPERATIONS, Clock
from tests.dispatcher.execution.works import Works, running
from tests.dispatcher.records import make_pipeline
from tests.dispatcher.waiting import turns, until

LATE = make_pipeline(pipeline_id="late")
CLASSIFY = (OperationSpec("classifier", {}),)
RESIZE = (OperationSpec("resize", {"size": "50%"}),)


class SharedQueue(MemoryJobQueue):
    """A queue that others might use, too, and that notes what it is told of this process."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__(capacity=10_000)
        self.offers: list[Mapping[str, int] | None] = []

    def offer(self, room: Mapping[str, int] | None) -> None:
        self.offers.append(room)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the consumer; its pauses are short."""
    found = Clock(now=1000.0)
    monkeypatch.setattr("dispatcher.execution.consumer.time", found.module)
    monkeypatch.setattr("dispatcher.execution.consumer.GIVE_BACK_PAUSE_S", 0.0)
    return found


@pytest.fixture
def queue() -> SharedQueue:
    return SharedQueue()


@pytest.fixture
async def found(client: ReplicaClient, queue: SharedQueue) -> AsyncIterator[Works]:
    """A consumer of a shared queue, with replicas for three pipelines."""
    async with belt(client, scripted.answer, others=(LATE, OPERATIONS)) as line:
        yield Works(line, queue=queue)


@pytest.fixture
async def painting(client: ReplicaClient, queue: SharedQueue) -> AsyncIterator[Works]:
    """Likewise, with replicas that make pictures only."""
    async with belt(client, pictures.paint, others=(OPERATIONS,)) as line:
        yield Works(line, queue=queue)


def know(found: Works, pipelines: Iterable[Pipeline]) -> None:
    """Have the consumer hear of these pipelines, and no others."""
    found.line.pipelines.replace(list(pipelines))
    found.line.pools.room.notify()


async def settled(found: Works) -> None:
    """Let the consumer do all that it does now."""
    found.line.pools.room.notify()
    await turns(50)


async def test_a_job_whose_pipeline_is_not_known_yet_waits_for_it(
    found: Works, clock: Clock
) -> None:
    know(found, [make_pipeline()])
    async with running(found):
        await found.accept("job-1", lane="late")
        await settled(found)
        assert await found.state("job-1") is JobState.QUEUED
        clock.now += STARVED_AFTER_S - 1
        know(found, [make_pipeline(), LATE])
        await until(found.is_idle)
        assert await found.state("job-1") is JobState.COMPLETED


async def test_a_job_whose_pipeline_stays_unknown_fails(found: Works, clock: Clock) -> None:
    know(found, [make_pipeline()])
    async with running(found):
        await found.accept("job-1", lane="late")
        await settled(found)
        clock.now += STARVED_AFTER_S - 0.01
        await settled(found)
        assert await found.state("job-1") is JobState.QUEUED
        clock.now += 0.01
        await settled(found)
        await until(found.is_idle)
    (job,) = found.ended
    assert job.error is not None
    assert job.error.code == "unknown_pipeline"


async def test_a_pipeline_that_is_gone_for_a_moment_is_as_good_as_new(
    found: Works, clock: Clock
) -> None:
    async with running(found):
        for _ in range(3):
            know(found, [make_pipeline()])
            await found.accept("job-1", lane="late")
            await settled(found)
            clock.now += STARVED_AFTER_S - 1
            know(found, [make_pipeline(), LATE])
            await until(found.is_idle)
            assert await found.state("job-1") is JobState.COMPLETED
            await found.results.discard("job-1")


async def test_a_chain_of_operations_waits_for_the_pool_that_one_of_them_needs(
    painting: Works, clock: Clock
) -> None:
    found = painting
    know(found, [OPERATIONS])
    async with running(found):
        await found.accept("needs-more", lane=OPERATIONS_PIPELINE, operations=CLASSIFY)
        await settled(found)
        await found.accept("can-be-done", lane=OPERATIONS_PIPELINE, operations=RESIZE)
        await until(lambda: found.ended)
        assert await found.states("can-be-done") == {JobState.COMPLETED}
        assert await found.states("needs-more") == {JobState.QUEUED}
        clock.now += STARVED_AFTER_S - 1
        know(found, [OPERATIONS, make_pipeline()])
        await until(found.is_idle)
        assert [job.id for job in found.ended] == ["can-be-done", "needs-more"]
        error = found.ended[-1].error
        assert error is not None
        assert error.code == "invalid_response", "it was done, by replicas that cannot do it"


async def test_a_chain_whose_pool_stays_unknown_fails(found: Works, clock: Clock) -> None:
    know(found, [OPERATIONS])
    async with running(found):
        await found.accept("job-1", lane=OPERATIONS_PIPELINE, operations=CLASSIFY)
        await settled(found)
        assert await found.state("job-1") is JobState.QUEUED
        clock.now += STARVED_AFTER_S
        await until(found.is_idle)
    (job,) = found.ended
    assert job.error is not None
    assert job.error.code == "unknown_pipeline"


@pytest.mark.parametrize(
    ("late_s", "state"), [(1.0, JobState.COMPLETED), (CLOCKS_DIFFER_S + 1, JobState.EXPIRED)]
)
async def test_a_deadline_by_the_clock_of_another_dispatcher_counts_only_after_a_while(
    found: Works, late_s: float, state: JobState
) -> None:
    async with running(found):
        queued_at = time.time() - 30.0 - late_s
        await found.accept("job-1", queued_at=queued_at, deadline_s=30.0)
        await until(found.is_idle)
    assert await found.state("job-1") is state


async def test_others_are_told_whether_it_has_no_room_or_takes_no_jobs(
    found: Works, queue: SharedQueue
) -> None:
    async with running(found):
        await until(lambda: queue.offers)
        assert queue.offers[-1] is not None
        assert set(queue.offers[-1]) == {"default", "late", OPERATIONS_PIPELINE}
        know(found, [])
        await until(lambda: queue.offers[-1] == {})
        found.consumer.pause()
        found.line.pools.room.notify()
        await until(lambda: queue.offers[-1] is None)
