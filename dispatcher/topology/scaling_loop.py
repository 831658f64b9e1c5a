"""Lets steps follow their backlog: the thin loop around ``autoscaler``.

It asks nobody: records, queue, pools and figures are at hand, in a cluster as well. What it
decides is done by the one who makes pipelines, so that clients' wishes and its own never cross.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
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

Scale = Callable[[str, str, int], Awaitable[None]]
"""Has a step of a pipeline have so many replicas."""


@dataclass(slots=True)
class _Step:
    """One step, and what is remembered of it."""

    record: StepRecord
    asked: int | None = None
    """Replicas that were asked for since the record was last another one."""
    history: History = field(default_factory=History)

    @property
    def desired(self) -> int:
        """Return how many replicas there shall be."""
        return self.record.replicas if self.asked is None else self.asked

    def take(self, record: StepRecord) -> None:
        """Take the record as it is now."""
        if bounds_of(record) != bounds_of(self.record) or record.replicas != self.record.replicas:
            self.asked = None
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
        while True:
            await self._decide_all()
            await asyncio.sleep(self._interval_s)

    async def _decide_all(self) -> None:
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
                await self._follow(key, decision.replicas)

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

    async def _follow(self, key: StepKey, replicas: int) -> None:
        step = self._steps.get(key)
        if step is None or not bounds_of(step.record).is_open or replicas == step.desired:
            return
        _log.info("step %s: %d replicas instead of %d", key, replicas, step.desired)
        step.asked = replicas  # before: the record may tell of it while it is done
        try:
            await self._scale(key.pipeline_id, key.step_id, replicas)
        except (RequestError, OSError) as exc:
            # It is decided again in a moment, from what there is then.
            step.asked = None
            _log.warning("step %s could not be scaled: %s", key, exc)

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
