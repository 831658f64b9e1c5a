"""The loop that measures backlogs and has steps scaled, with what it asks made up."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.errors import ClusterUnavailableError
from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.replica_range import ReplicaRange
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.client import ReadyReport, ReplicaClient
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.health import HealthPolicy
from dispatcher.queues.memory import MemoryJobQueue
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from dispatcher.topology.autoscaler import ScalingPolicy
from dispatcher.topology.configmap import StepRecord, pipelines_of
from dispatcher.topology.scaling_loop import ScalingLoop, retry_pause_s
from tests.dispatcher.records import make_job
from tests.dispatcher.topology.workshop import one_step
from tests.dispatcher.waiting import until

HASTY = ScalingPolicy(
    target_s=0.1, rate_window_s=0.1, max_rate_window_s=0.2, memory_s=0.5, stabilization_s=0.2
)
RANGED = replace(one_step("default"), replica_range=ReplicaRange(1, 4))


class CountingMetrics(Metrics):
    """Knows how often all steps were decided on."""

    rounds = 0

    def show_backlogs(self, seconds: Mapping[str, float]) -> None:
        self.rounds += 1
        super().show_backlogs(seconds)


@dataclass
class Floor:
    """What the loop looks at, and what it has had done."""

    records: list[StepRecord]
    is_acting: bool = True
    fails: int = 0
    """How many times scaling fails first."""
    why: str = "not now"
    """What is said then."""
    hangs: frozenset[str] = frozenset()
    """Pipelines whose scaling never ends."""
    scaled_within_s: float = 60.0
    first_retry_s: float = 0.01
    tries: int = 0
    """How many times scaling was tried."""
    is_record_late: bool = False
    """Whether the record does not tell what was done."""
    scaled: list[tuple[str, str, int]] = field(default_factory=list)
    pools: PoolDirectory = field(
        default_factory=lambda: PoolDirectory(client=ReplicaClient(), policy=HealthPolicy())
    )
    pipelines: PipelineStore = field(default_factory=PipelineStore)
    queue: MemoryJobQueue = field(default_factory=lambda: MemoryJobQueue(capacity=10_000))
    metrics: CountingMetrics = field(default_factory=CountingMetrics)
    figures: Figures = field(init=False)
    loop: ScalingLoop = field(init=False)

    def __post_init__(self) -> None:
        self.figures = Figures(self.metrics)
        self.loop = ScalingLoop(
            self._scale,
            queue=self.queue,
            pipelines=self.pipelines,
            pools=self.pools,
            figures=self.figures,
            metrics=self.metrics,
            is_acting=self.is_acting,
            policy=HASTY,
            interval_s=0.01,
            scaled_within_s=self.scaled_within_s,
            first_retry_s=self.first_retry_s,
        )
        self.take(self.records)

    def take(self, records: list[StepRecord]) -> None:
        """Have these records, each with as many ready replicas as it says."""
        self.records = records
        self.pipelines.replace(pipelines_of(records))
        self.pools.apply(
            {
                str(record.key): [f"http://127.0.0.1:{port}" for port in range(record.replicas)]
                for record in records
            }
        )
        report = ReadyReport(revision="r1", max_batch_size=4, description="")
        for pool in self.pools.pools():
            for replica in pool.replicas:
                pool.apply_probe(replica, report)
        self.loop.take(records)

    async def _scale(self, pipeline_id: str, step_id: str, replicas: int) -> None:
        self.tries += 1
        if self.fails:
            self.fails -= 1
            raise ClusterUnavailableError(self.why)
        if pipeline_id in self.hangs:
            await asyncio.Event().wait()
        self.scaled.append((pipeline_id, step_id, replicas))
        if not self.is_record_late:
            key = StepKey(pipeline_id, step_id)
            self.take(
                [
                    replace(record, replicas=replicas) if record.key == key else record
                    for record in self.records
                ]
            )

    async def add_jobs(self, count: int, *, pipeline_id: str = "default") -> None:
        numbers = range(self.queue.depth(), self.queue.depth() + count)
        jobs = [make_job(f"job-{number}", pipeline_id=pipeline_id) for number in numbers]
        await self.queue.put(jobs)

    async def decides(self, rounds: int) -> None:
        """Wait until all steps were decided on so many times more."""
        last = self.metrics.rounds + rounds
        await until(lambda: self.metrics.rounds >= last)

    def work(self) -> None:
        """Let a replica of each step be busy for a hundredth of a second and end a job."""
        now = time.monotonic()
        for record in self.records:
            for replica in self.pools.get(str(record.key)).replicas[:1]:
                replica.take_on(now=now - 0.01)
                replica.let_go(1, now=now)
                self.figures.note_drained(record.key.pipeline_id)

    def gauge(self, name: str) -> dict[str, float]:
        """What a metric says of each step."""
        text = self.metrics.render(depth=0, oldest_age_s=0, blob_bytes=0, replicas=[]).decode()
        return {
            sample.labels["step"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }


@asynccontextmanager
async def running(floor: Floor) -> AsyncIterator[Floor]:
    """Run the loop, while a replica works, until the end of the block."""

    async def work() -> None:
        while True:
            floor.work()
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(floor.loop.run()), asyncio.create_task(work())]
    try:
        await until(lambda: floor.gauge("dispatcher_backlog_seconds").get("default/0") is not None)
        yield floor
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await floor.pools.close()


async def test_a_backlog_has_a_step_scaled_up_and_its_end_down_again() -> None:
    async with running(Floor([RANGED])) as floor:
        await floor.add_jobs(500)
        await until(lambda: ("default", "0", 4) in floor.scaled)
        assert floor.gauge("dispatcher_autoscaler_desired_replicas") == {"default/0": 4.0}
        leases = []
        while (lease := await floor.queue.reserve(["default"])) is not None:
            leases.append(lease)
        await until(lambda: floor.gauge("dispatcher_backlog_seconds")["default/0"] > 0.5)
        for lease in leases:
            await floor.queue.ack(lease)
        await until(lambda: floor.records[0].replicas < 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Floor([one_step("default")]),
        lambda: Floor([RANGED], is_acting=False),
    ],
    ids=["without a range", "when it is off"],
)
async def test_a_backlog_is_only_shown(make: Callable[[], Floor]) -> None:
    async with running(make()) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.gauge("dispatcher_backlog_seconds")["default/0"] > 1)
        assert floor.scaled == []


async def test_what_could_not_be_done_is_tried_again() -> None:
    async with running(Floor([RANGED], fails=3)) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.scaled)
        assert floor.fails == 0


@pytest.mark.parametrize(
    ("failures", "pause_s"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (10**6, 60)]
)
def test_pauses_after_failures_grow_up_to_a_minute(failures: int, pause_s: float) -> None:
    assert retry_pause_s(failures) == pause_s


async def test_what_could_not_be_done_is_not_tried_again_at_once() -> None:
    async with running(Floor([RANGED], fails=10**6, first_retry_s=60)) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.tries)
        # While the record is taken back, discovery may see what was tried.
        floor.take([replace(RANGED, replicas=4)])
        floor.take([replace(RANGED, endpoints=("http://10.1.0.1:5000",))])
        await floor.decides(30)
        assert floor.tries == 1


async def test_a_record_that_somebody_changed_is_tried_at_once() -> None:
    async with running(Floor([RANGED], fails=1, first_retry_s=60)) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.tries)
        floor.take([replace(RANGED, replica_range=ReplicaRange(1, 3))])
        await until(lambda: floor.scaled == [("default", "0", 3)])


async def test_a_failure_is_said_once_until_it_is_another(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Floor([RANGED], fails=10**6, first_retry_s=0.001)) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.tries >= 4)
        assert caplog.messages == ["step default/0 could not be scaled: not now"]
        floor.why = "not allowed"
        tries = floor.tries
        await until(lambda: floor.tries >= tries + 3)
        assert caplog.messages[1:] == ["step default/0 could not be scaled: not allowed"]


async def test_a_failure_after_a_success_is_a_new_one(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Floor([RANGED], fails=1)) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.scaled)
        floor.fails = 1
        floor.take([RANGED])
        await until(lambda: not floor.fails)
        await until(lambda: len(floor.scaled) > 1)
        assert caplog.messages == ["step default/0 could not be scaled: not now"] * 2


async def test_a_step_that_hangs_holds_up_no_other() -> None:
    other = replace(one_step("other"), replica_range=ReplicaRange(1, 4))
    async with running(Floor([RANGED, other], hangs=frozenset({"default"}))) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.tries)
        await floor.add_jobs(500, pipeline_id="other")
        await until(lambda: ("other", "0", 4) in floor.scaled)
        await until(lambda: floor.gauge("dispatcher_backlog_seconds")["default/0"] > 1)
        assert not [name for name, *_ in floor.scaled if name == "default"]
        assert floor.gauge("dispatcher_autoscaler_desired_replicas")["other/0"] == 4


async def test_a_step_that_hangs_is_given_up_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hanging = Floor([RANGED], hangs=frozenset({"default"}), scaled_within_s=0.02)
    async with running(hanging) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.tries >= 2)
        assert caplog.messages == [
            "step default/0 could not be scaled: it was not done within 0.02 s"
        ]


async def test_what_was_asked_for_is_not_asked_again_while_the_record_is_late() -> None:
    async with running(Floor([RANGED], is_record_late=True)) as floor:
        await floor.add_jobs(500)
        await until(lambda: floor.scaled)
        await until(lambda: floor.gauge("dispatcher_backlog_seconds")["default/0"] > 1)
        assert len(floor.scaled) == len(set(floor.scaled))
        floor.take([replace(RANGED, replica_range=ReplicaRange(1, 2))])  # as a client wants it
        await until(lambda: floor.scaled[-1][2] == 2)


async def test_a_step_that_is_gone_is_shown_no_more() -> None:
    async with running(Floor([RANGED])) as floor:
        floor.take([])
        await until(lambda: floor.gauge("dispatcher_backlog_seconds") == {})
        assert floor.gauge("dispatcher_autoscaler_desired_replicas") == {}
        floor.take([RANGED])
