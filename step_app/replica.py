"""One replica: its step, loaded beside the event loop, and the threads that run it."""

import asyncio
from collections.abc import Callable
from typing import Final

from step_app.errors import NotReadyError
from step_app.metrics import StepMetrics
from step_app.runner import StepRunner
from step_app.settings import Settings, StepConfig
from step_app.steps.base import Step
from step_app.steps.registry import load_step
from step_app.tracing import create_tracing

_STUCK_AFTER_S: Final = 60.0
"""A batch that runs for longer than this is taken for a hung replica by ``/livez``."""
_PICTURE_STUCK_AFTER_S: Final = 240.0
"""The same for a step on pictures: the largest may take half a minute on a core of their own."""


class Replica:
    """The state of this process: starting, then ready, or failed for good."""

    def __init__(self, config: StepConfig, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.metrics = StepMetrics(config.type, config.params)
        self.tracing = create_tracing(config, self.metrics)
        self.failure: Exception | None = None
        self._step: Step | None = None
        self._runner: StepRunner | None = None

    async def start(self, on_failure: Callable[[], None]) -> None:
        """Load the step beside the event loop, so that probes are answered meanwhile."""
        try:
            self._step = await asyncio.to_thread(load_step, self.config, self.settings)
        except Exception as exc:  # a replica that never gets ready must end, and say why
            self.failure = exc
            on_failure()
            return
        self._runner = StepRunner(
            self._step,
            step_type=self.config.type,
            max_batch_size=self.settings.max_batch_size,
            decode_threads=self.settings.step_threads - 1,
            metrics=self.metrics,
        )
        self._runner.start()

    async def close(self) -> None:
        """Finish what was accepted."""
        if self._runner is not None:
            await self._runner.close()
        await asyncio.to_thread(self.tracing.tracer.close)

    def require(self) -> tuple[Step, StepRunner]:
        """Return the loaded step and its runner.

        Raises:
            NotReadyError: it is still loading.
        """
        if self._step is None or self._runner is None:
            raise NotReadyError
        return self._step, self._runner

    @property
    def is_stuck(self) -> bool:
        """Say whether the step has been computing one batch for far too long."""
        if self._runner is None or self._step is None:
            return False
        limit_s = _STUCK_AFTER_S if self._step.is_batched else _PICTURE_STUCK_AFTER_S
        return self._runner.busy_s() > limit_s
