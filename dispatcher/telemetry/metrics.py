"""The dispatcher's Prometheus metrics, under the names of the wire contract."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ReplicaFigures(Protocol):
    """What is measured of a replica."""

    step: str
    ongoing: int

    @property
    def state(self) -> str:
        """Its state by name."""
        ...


class Metrics:
    """All metrics, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.jobs = self._counter("dispatcher_jobs", "Jobs by what became of them.", "outcome")
        self.cache_requests = self._counter(
            "dispatcher_cache_requests", "Accepted images by how the cache knew them.", "outcome"
        )
        self.queue_wait = self._histogram(
            "dispatcher_queue_wait_seconds", "Time from acceptance to the first attempt."
        )
        self.job_duration = self._histogram(
            "dispatcher_job_duration_seconds", "Time from acceptance to the end."
        )
        self.request = self._histogram(
            "frontend_request_seconds", "Time from upload to completed processing."
        )
        self.published = Counter(
            "frontend_publish", "Jobs put into the queue.", registry=self._registry
        )
        self.processed = Counter(
            "frontend_processed", "Jobs taken off the queue and ended.", registry=self._registry
        )
        self.webhooks = self._counter(
            "dispatcher_webhooks", "Webhooks, and tries that failed, by outcome.", "outcome"
        )
        self._depth = self._gauge("dispatcher_queue_depth", "Jobs that wait.")
        self._oldest = self._gauge(
            "dispatcher_queue_oldest_age_seconds", "How long the oldest waiting job has waited."
        )
        self._blob_bytes = self._gauge("dispatcher_blob_bytes", "Bytes of images that are kept.")
        self._ongoing = self._gauge(
            "dispatcher_replica_ongoing_requests", "Items that replicas have on hand.", "step"
        )
        self._replicas = self._gauge("dispatcher_replicas", "Replicas by state.", "step", "state")
        self._backlog = self._gauge(
            "dispatcher_backlog_seconds",
            "How long a step's ready replicas have to work on what waits or is in work.",
            "step",
        )
        self._desired_replicas = self._gauge(
            "dispatcher_autoscaler_desired_replicas",
            "Replicas that a step with a range of them needs, by its backlog.",
            "step",
        )
        self._discovery_age = self._gauge(
            "dispatcher_discovery_age_seconds",
            "Time since the cluster last said what exists; above 60 it cannot be seen.",
        )
        self._discovery_rejected = self._gauge(
            "dispatcher_discovery_rejected_records", "Records that are not used as they are now."
        )

    def watch_discovery(self, *, age_s: Callable[[], float], rejected: Callable[[], float]) -> None:
        """Read these whenever metrics are; without a cluster both stay 0."""
        self._discovery_age.set_function(age_s)
        self._discovery_rejected.set_function(rejected)

    def show_backlogs(self, seconds: Mapping[str, float]) -> None:
        """Show the backlog of each step from now on, by step; of the others none."""
        _replace(self._backlog, seconds)

    def show_desired_replicas(self, replicas: Mapping[str, int]) -> None:
        """Show how many replicas are needed from now on, by step; of the others nothing."""
        _replace(self._desired_replicas, replicas)

    def render(
        self,
        *,
        depth: int,
        oldest_age_s: float,
        blob_bytes: int,
        replicas: Iterable[ReplicaFigures],
    ) -> bytes:
        """Return all metrics as Prometheus text; gauges are read at this moment."""
        self._depth.set(depth)
        self._oldest.set(oldest_age_s)
        self._blob_bytes.set(blob_bytes)
        self._ongoing.clear()
        self._replicas.clear()
        for replica in replicas:
            self._ongoing.labels(replica.step).inc(replica.ongoing)
            self._replicas.labels(replica.step, replica.state).inc()
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, buckets=_SECONDS, registry=self._registry)


def _replace(gauge: Gauge, values: Mapping[str, float]) -> None:
    gauge.clear()
    for step, value in values.items():
        gauge.labels(step).set(value)
