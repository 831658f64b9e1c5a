"""What a replica measures, under the names of the wire contract."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class StepMetrics:
    """The metrics of one replica, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
        self.failures = Counter(
            "step_failures",
            "Images answered with a problem.",
            ["code"],
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Return all metrics as Prometheus text."""
        return generate_latest(self._registry)
