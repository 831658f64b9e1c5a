"""What a replica measures, under the names of the wire contract."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from step_app.errors import StepError
from step_app.steps.base import Outcome, PictureOutput, StepRequest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_KERNEL_SECONDS = (0.0001, 0.00025, 0.0005, *_SECONDS)
_GRAYSCALE: Final = "grayscale"
_OPERATIONS: Final = "operations"
_START_TIME_FIELD: Final = 19
"""Place of ``starttime`` (proc(5)) behind the process's name, which may hold spaces itself."""


class StepMetrics:
    """The metrics of one replica, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, step_type: str = "", params: Mapping[str, Any] | None = None) -> None:
        """Prepare the metrics of a replica of this type, whose step has these params."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.batch_size = Histogram(
            "step_batch_size",
            "Images computed together.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self.batch_wait = Histogram(
            "step_batch_wait_seconds",
            "Time from an image's arrival to the start of its batch.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.process = Histogram(
            "step_process_seconds",
            "Time of one batch in the step's own arithmetic.",
            ["type"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        if step_type:
            self.process.labels(step_type)  # a rate needs something that it began with
        self.failures = Counter(
            "step_failures",
            "Images answered with a problem.",
            ["code"],
            registry=self._registry,
        )

        self.trace_spans = Counter(
            "step_trace_spans",
            "Spans for a collector, by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self.grayscale: GrayscaleMetrics | None = None
        """Only where pictures may be turned grey."""
        if step_type in (_GRAYSCALE, _OPERATIONS):
            self.grayscale = GrayscaleMetrics(step_type, params or {}, registry=self._registry)

    def render(self) -> bytes:
        """Return all metrics as Prometheus text."""
        return generate_latest(self._registry)


class GrayscaleMetrics:
    """What reference system (e) measures, under its names: of pictures turned grey alone."""

    def __init__(
        self, step_type: str, params: Mapping[str, Any], *, registry: CollectorRegistry
    ) -> None:
        self._is_always_meant = step_type == _GRAYSCALE
        self._params = params
        self._has_converted = False
        self.queue_wait = Histogram(
            "grayscale_queue_wait_seconds",
            "Time from a picture's arrival until work on it starts.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.process = Histogram(
            "grayscale_process_seconds",
            "Time of one conversion in the OpenMP kernel, for each number of threads asked for.",
            buckets=_KERNEL_SECONDS,
            registry=registry,
        )
        self.startup = Gauge(
            "grayscale_startup_seconds",
            "Time from the start of the process to its first converted picture; 0 before that.",
            registry=registry,
        )
        self.failures = Counter(
            "grayscale_failures",
            "Pictures that were to be converted and were answered with a problem.",
            registry=registry,
        )
        self.reconnects = Counter(
            "grayscale_reconnect_attempts",
            "Attempts to reach another replica of the next step after one could not be reached.",
            registry=registry,
        )

    def note(self, request: StepRequest, outcome: Outcome, *, waited_s: float) -> None:
        """Count one picture, if it was converted or should have been."""
        if isinstance(outcome, StepError):
            if self._is_meant(request):
                self.failures.inc()
            return
        if not isinstance(outcome, PictureOutput):
            return
        reused = outcome.reply.reused
        if reused and not self._is_meant(request, reused=reused):
            return  # an earlier chain's conversion, which was counted then
        kernels_s = _kernel_times_s(outcome)
        if not kernels_s:
            return
        self.queue_wait.observe(waited_s)
        for kernel_s in kernels_s:
            self.process.observe(kernel_s)
        if not self._has_converted:
            self._has_converted = True
            self.startup.set(_process_age_s())

    def _is_meant(self, request: StepRequest, *, reused: int = 0) -> bool:
        if request.as_is:
            return False
        if self._is_always_meant:
            return True
        operations = {**self._params, **request.params}.get("operations")
        # The request may be the one that failed because this is not what it should be.
        return isinstance(operations, list) and any(
            isinstance(operation, list) and operation[:1] == [_GRAYSCALE]
            for operation in operations[reused:]
        )


def _kernel_times_s(output: PictureOutput) -> list[float]:
    """Return the time of each conversion; pieces of one converted picture tell of the same."""
    times = {
        tuple(timing["kernel_s"] for timing in picture.data.get("timings", ()))
        for picture in output.reply.pictures
    }
    return [kernel_s for conversion in times for kernel_s in conversion]


def _process_age_s() -> float:
    """Return for how long this process has been there, in seconds; 0 where nobody can tell."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_s = int(fields[_START_TIME_FIELD]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    except (OSError, AttributeError):
        return 0.0
