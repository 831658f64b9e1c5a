"""Lets steps follow their backlog: the thin loop around ``autoscaler``.

It asks nobody: records, queue, pools and figures are at hand, in a cluster as well. What it
decides is done by the one who makes pipelines, so that clients' wishes and its own never cross.
Each step is scaled beside the loop, which goes on with the others whatever becomes of it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dispatcher.errors import RequestError
from dispatcher.pipelines.model import StepKey
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import JobQueue
from dispatcher.telemetry.figures import Figures
from dispatcher.telemetry.metrics import Metrics
from dispatcher.topology.autoscaler import (
    Decision,
    History,
    Observation,
    ScalingPolicy,
    decide,
)
from dispatcher.topology.blueprint import bounds_of
from dispatcher.topology.configmap import StepRecord

_log = logging.getLogger(__name__)
_INTERVAL_S: Final = 1.0
_SCALED_WITHIN_S: Final = 60.0
_FIRST_RETRY_S: Final = 2.0
_LAST_RETRY_S: Final = 60.0
_MAX_DOUBLINGS: Final = 30

Scale = Callable[[str, str, int], Awaitable[None]]
"""Has a step of a pipeline have so many replicas."""


@dataclass(frozen=True, slots=True)
class _Setback:
    """A step could not be scaled, perhaps several times in a row."""

    count: int
    reason: str
    retry_at_s: float
    """Before which it is not tried again, in monotonic seconds."""
    records: tuple[StepRecord, StepRecord]
    """As it was, and as it was to be: both may be seen while a change is taken back."""


@dataclass(slots=True)
class _Step:
    """One step, and what is remembered of it."""

    record: StepRecord
    asked: int | None = None
    """Replicas that were asked for since the record was last another one."""
    history: History = field(default_factory=History)
    is_being_scaled: bool = False
    setback: _Setback | None = None

    @property
    def desired(self) -> int:
        """Return how many replicas there shall be."""
        return self.record.replicas if self.asked is None else self.asked

    def take(self, record: StepRecord) -> None:
        """Take the record as it is now."""
        if bounds_of(record) != bounds_of(self.record) or record.replicas != self.record.replicas:
            self.asked = None
        if self.setback is not None and not self.is_being_scaled:
            # Somebody has changed it, so that it may be another matter now.
            is_same = _lasting(record) in self.setback.records
            self.setback = self.setback if is_same else None
        self.record = record


class ScalingLoop:
    """Measures the backlog of every step, and scales those that have a range of replicas."""

    def __init__(
        self,
        scale: Scale,
        *,
        queue: JobQueue,
        pipelines: PipelineStore,
        pools: PoolDirectory,
        figures: Figures,
        metrics: Metrics,
        is_acting: bool = True,
        policy: ScalingPolicy | None = None,
        interval_s: float = _INTERVAL_S,
        scaled_within_s: float = _SCALED_WITHIN_S,
        first_retry_s: float = _FIRST_RETRY_S,
    ) -> None:
        """Look after all steps.

        Args:
            scale: does what is decided.
            queue: tells how many jobs of a pipeline wait or are in work.
            pipelines: tell which of them have a step.
            pools: tell how busy a step's replicas are.
            figures: tell how many jobs ended, and how many were turned away.
            metrics: show what was found.
            is_acting: whether anything is scaled; without it all is only measured.
            policy: the numbers.
            interval_s: between two decisions, in seconds.
            scaled_within_s: how long it may take to have a step scaled, in seconds.
            first_retry_s: how long after a failure that is tried again, in seconds; after each
                further one twice as long, up to a minute.
        """
        self._scale = scale
        self._queue = queue
        self._pipelines = pipelines
        self._pools = pools
        self._figures = figures
        self._metrics = metrics
        self._is_acting = is_acting
        self._policy = policy or ScalingPolicy()
        self._interval_s = interval_s
        self._scaled_within_s = scaled_within_s
        self._first_retry_s = first_retry_s
        self._steps: dict[StepKey, _Step] = {}

    def take(self, records: Sequence[StepRecord]) -> None:
        """Take the steps that there are from now on."""
        known, self._steps = self._steps, {}
        for record in records:
            step = known.get(record.key) or _Step(record)
            step.take(record)
            self._steps[record.key] = step

    async def run(self) -> None:
        """Measure and decide until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._decide_all(group)
                await asyncio.sleep(self._interval_s)

    async def _decide_all(self, group: asyncio.TaskGroup) -> None:
        lanes = self._lanes()
        decisions: dict[StepKey, Decision] = {}
        for key, step in list(self._steps.items()):
            observation = self._observe(key, step, lanes.get(str(key), ()))
            decision = decide(observation, step.history, self._policy)
            step.history = decision.history
            decisions[key] = decision
            await asyncio.sleep(0)  # there may be a thousand of them
        self._show(decisions)
        if self._is_acting:
            for key, decision in decisions.items():
                self._follow(key, decision.replicas, group)

    def _lanes(self) -> dict[str, list[str]]:
        """Return the pipelines that have a step, by step."""
        lanes: dict[str, list[str]] = {}
        for pipeline in self._pipelines.all():
            for step in {str(stage.key) for stage in pipeline.stages}:
                lanes.setdefault(step, []).append(pipeline.id)
        return lanes

    def _observe(self, key: StepKey, step: _Step, lanes: Sequence[str]) -> Observation:
        pool, now = self._pools.get(str(key)), time.monotonic()
        return Observation(
            at_s=now,
            pending=sum(self._queue.pending(lane) for lane in lanes),
            ended=sum(self._figures.drained(lane) for lane in lanes),
            turned_away=sum(self._figures.turned_away(lane) for lane in lanes),
            busy_s=pool.busy_s(now=now),
            ready=pool.ready,
            desired=step.desired,
            bounds=bounds_of(step.record),
        )

    def _follow(self, key: StepKey, replicas: int, group: asyncio.TaskGroup) -> None:
        """Have a step scaled, unless it is already or has to wait after a failure."""
        step = self._steps.get(key)
        if step is None or not bounds_of(step.record).is_open or replicas == step.desired:
            return
        is_waiting = step.setback is not None and time.monotonic() < step.setback.retry_at_s
        if is_waiting or step.is_being_scaled:
            return
        before, desired = step.record, step.desired
        step.asked = replicas  # before: the record may tell of it while it is done
        step.is_being_scaled = True

        async def follow() -> None:
            try:
                async with asyncio.timeout(self._scaled_within_s):
                    await self._scale(key.pipeline_id, key.step_id, replicas)
            except (RequestError, OSError) as exc:
                # It is decided again later, from what there is then.
                step.asked = None
                self._note_setback(step, before, replicas, exc)
            else:
                step.setback = None
                _log.info("step %s: %d replicas instead of %d", key, replicas, desired)
            finally:
                step.is_being_scaled = False

        group.create_task(follow())

    def _note_setback(
        self, step: _Step, before: StepRecord, replicas: int, error: Exception
    ) -> None:
        earlier = step.setback
        reason = str(error) or f"it was not done within {self._scaled_within_s:g} s"
        if earlier is None or earlier.reason != reason:
            _log.warning("step %s could not be scaled: %s", before.key, reason)
        count = 1 if earlier is None else earlier.count + 1
        step.setback = _Setback(
            count=count,
            reason=reason,
            retry_at_s=time.monotonic() + retry_pause_s(count, first_s=self._first_retry_s),
            records=(_lasting(before), _lasting(replace(before, replicas=replicas))),
        )

    def _show(self, decisions: dict[StepKey, Decision]) -> None:
        self._metrics.show_backlogs(
            {
                str(key): decision.backlog_s
                for key, decision in decisions.items()
                if decision.backlog_s is not None
            }
        )
        self._metrics.show_desired_replicas(
            {
                str(key): decision.replicas
                for key, decision in decisions.items()
                if key in self._steps and bounds_of(self._steps[key].record).is_open
            }
        )


def retry_pause_s(failures: int, *, first_s: float = _FIRST_RETRY_S) -> float:
    """Return how long to wait after so many failures in a row, in seconds."""
    return min(_LAST_RETRY_S, first_s * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))


def _lasting(record: StepRecord) -> StepRecord:
    """Return a record without what changes by itself: where its replicas answer."""
    return replace(record, endpoints=(), ports=())
