"""What the jobs of one pipeline may do to those of another: nothing."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from dispatcher.execution.consumer import STARVED_AFTER_S
from dispatcher.jobs import JobState, OperationSpec
from dispatcher.pipelines.operations import OPERATIONS_PIPELINE
from dispatcher.pools.client import ReplicaClient
from tests.dispatcher import scripted_pictures as pictures
from tests.dispatcher import scripted_replica as scripted
from tests.dispatcher.execution.works import NAMES, Works, running, works
from tests.dispatcher.records import failed, make_job, make_pipeline, make_stage
from tests.dispatcher.waiting import turns, until

OTHER = make_pipeline(pipeline_id="other")
LONG = make_pipeline(
    make_stage("0", pipeline_id="long"), make_stage("1", pipeline_id="long"), pipeline_id="long"
)
OPERATIONS = make_pipeline(
    make_stage("0", pipeline_id=OPERATIONS_PIPELINE, step_type="operations"),
    pipeline_id=OPERATIONS_PIPELINE,
)


def urls(found: Works, *, without: str = "") -> dict[str, list[str]]:
    """The replicas of every step but those of one."""
    return {
        step: [] if step == without else [replica.url for replica in replicas]
        for step, replicas in found.line.replicas.items()
    }


@dataclass
class Clock:
    """The clock of the consumer, which a test moves."""

    now: float = 0.0
    module: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.module = SimpleNamespace(monotonic=lambda: self.now, time=lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("dispatcher.execution.consumer.time", found.module)
    return found


async def test_a_lane_without_replicas_holds_up_no_other(client: ReplicaClient) -> None:
    async with works(client, scripted.answer, others=(OTHER,)) as found, running(found):
        found.line.pools.apply(urls(found, without="other/0"))
        await found.accept(*NAMES[:50], lane="other")
        await found.accept(*NAMES[50:])
        await until(lambda: len(found.ended) == 50)
        assert await found.states(*NAMES[50:]) == {JobState.COMPLETED}
        assert await found.states(*NAMES[:50]) == {JobState.QUEUED}
        assert (found.queue.depth(), found.queue.leased()) == (50, 0)
        found.line.pools.apply(urls(found))
        found.line.make_ready()
        await until(found.is_idle)
        assert await found.states(*NAMES) == {JobState.COMPLETED}


async def test_of_each_lane_only_as_many_run_as_its_own_replicas_can_have(
    client: ReplicaClient,
) -> None:
    async with works(client, scripted.hold, others=(OTHER,)) as found, running(found):
        await found.accept(*NAMES[:50])
        await until(lambda: found.queue.leased() == 8)
        await turns(20)
        assert found.queue.leased() == found.line.pools.get("default/0").slots == 8
        await found.accept(*NAMES[50:], lane="other")
        await until(lambda: found.queue.leased() == 16)
        await turns(20)
        waiting = [found.queue.pending(lane) for lane in ("default", "other")]
        assert (waiting, found.queue.depth()) == ([50, 50], 84)
        found.release_all()
        await until(found.is_idle)


async def test_a_lane_runs_as_many_as_all_pools_of_its_pipeline_can_have(
    client: ReplicaClient,
) -> None:
    async with works(client, scripted.hold, others=(LONG,)) as found, running(found):
        await found.accept(*NAMES, lane="long")
        await until(lambda: found.queue.leased() == 16)
        await turns(20)
        assert found.queue.leased() == 16
        found.release_all()
        await until(found.is_idle)


async def test_a_lane_waits_while_any_pool_of_its_pipeline_has_no_replica(
    client: ReplicaClient,
) -> None:
    async with works(client, scripted.answer, others=(LONG,)) as found, running(found):
        found.line.pools.apply(urls(found, without="long/1"))
        await found.accept("job-1", lane="long")
        await turns(20)
        assert (found.queue.depth(), found.queue.leased()) == (1, 0)
        found.line.pools.apply(urls(found))
        found.line.make_ready()
        await until(found.is_idle)
        assert await found.state("job-1") is JobState.COMPLETED


async def test_jobs_of_a_lane_that_starves_end_while_others_go_on(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.execution.consumer.STARVED_AFTER_S", 0.05)
    monkeypatch.setattr("dispatcher.execution.attempts.NO_CAPACITY_TIMEOUT_S", 0.05)
    async with works(client, scripted.answer, others=(OTHER,)) as found, running(found):
        found.line.pools.apply(urls(found, without="other/0"))
        await found.accept(*NAMES[:50], lane="other")
        await found.accept(*NAMES[50:])
        await until(found.is_idle)
        assert await found.states(*NAMES[50:]) == {JobState.COMPLETED}
        starved = [job for job in found.ended if job.pipeline_id == "other"]
        assert len(starved) == 50
        assert {job.error.code for job in starved if job.error} == {"no_capacity"}


async def test_a_lane_starves_only_after_a_while(client: ReplicaClient, clock: Clock) -> None:
    async with works(client, others=(OTHER,)) as found, running(found):
        await found.accept("job-1", lane="other")
        await turns(20)
        clock.now = STARVED_AFTER_S - 0.01
        found.line.pools.room.notify()
        await turns(20)
        assert found.queue.leased() == 0
        clock.now = STARVED_AFTER_S
        found.line.pools.room.notify()
        await until(lambda: found.queue.leased() == 1)


async def test_a_lane_that_was_served_meanwhile_starves_anew(
    client: ReplicaClient, clock: Clock
) -> None:
    async with works(client, scripted.answer, others=(OTHER,)) as found, running(found):
        found.line.pools.apply(urls(found, without="other/0"))
        await found.accept("job-1", lane="other")
        await turns(20)
        clock.now = STARVED_AFTER_S
        found.line.pools.room.notify()
        await until(lambda: found.queue.leased() == 1)
        found.line.pools.apply(urls(found))
        found.line.make_ready()
        await until(found.is_idle)
        clock.now += 100
        found.line.pools.apply(urls(found, without="other/0"))
        await turns(20)
        await found.accept("job-2", lane="other")
        await turns(20)
        assert found.queue.leased() == 0, "no replica has been missing for long"
        clock.now += STARVED_AFTER_S
        found.line.pools.room.notify()
        await until(lambda: found.queue.leased() == 1)


async def test_a_job_of_a_deleted_pipeline_ends_at_once(client: ReplicaClient) -> None:
    async with works(client, scripted.hold) as found, running(found):
        await found.accept(*NAMES[:20], lane="deleted")
        await until(lambda: len(found.ended) == 20)
        assert {job.error.code for job in found.ended if job.error} == {"unknown_pipeline"}
        assert await found.states(*NAMES[:20]) == {JobState.FAILED}
        assert found.is_idle()


async def test_jobs_that_wait_when_their_pipeline_is_deleted_end(client: ReplicaClient) -> None:
    async with works(client, scripted.answer, others=(OTHER,)) as found, running(found):
        found.line.pools.apply(urls(found, without="other/0"))
        await found.accept("job-1", lane="other")
        await turns(20)
        assert found.queue.depth() == 1
        found.line.pipelines.replace([make_pipeline()])
        found.line.pools.room.notify()
        await until(found.is_idle)
        (job,) = found.ended
        assert job.error is not None
        assert job.error.code == "unknown_pipeline"


async def test_pictures_that_nobody_will_fetch_are_reported(client: ReplicaClient) -> None:
    async with (
        works(client, pictures.hold_and_paint, others=(OPERATIONS,)) as found,
        running(found),
    ):
        operations = (OperationSpec("resize", {"size": "50%"}),)
        await found.accept("job-1", lane=OPERATIONS_PIPELINE, operations=operations)
        await until(found.line.received)
        # Whoever ended it meanwhile, a job has one end.
        assert await found.results.save(failed(make_job("job-1"), "cancelled"))
        found.release_all()
        await until(found.is_idle)
        (void,) = found.void
        (output,) = void.outputs
        assert await found.line.blobs.get(output.digest) == b"koala|resize size=50%"
        assert await found.state("job-1") is JobState.FAILED
        assert sum(found.figures.ended.values()) == 0
        assert found.ended == [], "it was reported when it ended"


async def test_what_somebody_will_fetch_is_not_reported_as_void(client: ReplicaClient) -> None:
    async with works(client, scripted.answer) as found, running(found):
        await found.accept(*NAMES)
        await until(found.is_idle)
        assert found.void == []


async def test_however_jobs_come_and_replicas_go_every_job_ends(
    client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.execution.consumer.STARVED_AFTER_S", 0.02)
    monkeypatch.setattr("dispatcher.execution.attempts.NO_CAPACITY_TIMEOUT_S", 0.02)
    async with works(client, scripted.answer, others=(OTHER, LONG)) as found, running(found):
        for number, name in enumerate(NAMES):
            await found.accept(name, lane=("default", "other", "long", "deleted")[number % 4])
            gone = ("", "other/0", "long/1", "default/0")[number // 10 % 4]
            found.line.pools.apply(urls(found, without=gone))
            found.line.make_ready()
            await turns(30)
        await until(found.is_idle)
        assert sorted(job.id for job in found.ended) == sorted(NAMES)
        codes = {job.error.code for job in found.ended if job.error is not None}
        assert "unknown_pipeline" in codes
        assert codes <= {"unknown_pipeline", "no_capacity", "replica_lost"}
