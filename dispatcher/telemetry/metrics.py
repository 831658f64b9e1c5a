"""The dispatcher's Prometheus metrics, under the names of the wire contract."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STAGE_SECONDS = (0.001, 0.0025, *_SECONDS)
REPLICA_STATES: Final = ("starting", "ready", "ejected")
EJECTION_REASONS: Final = ("gone", "silent", "late", "wrong")
RETRY_CODES: Final = (
    *("no_capacity", "replica_lost", "timeout"),
    *("invalid_response", "replica_failed", "replica_rejected"),
)
WEBHOOK_OUTCOMES: Final = ("delivered", "failed_try", "given_up")
_MAX_FAILURE_CODES: Final = 100
_OTHER: Final = "other"
"""Replicas name the codes of what they refuse. One that has gone mad shall not make a series of
each of its answers."""


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
        ProcessCollector(registry=self._registry)
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
        self._stage_duration = Histogram(
            "dispatcher_stage_duration_seconds",
            "Time that a replica spent on one stage of a job, of its slowest picture or chunk.",
            ["type"],
            buckets=_STAGE_SECONDS,
            registry=self._registry,
        )
        self._job_failures = self._counter(
            "dispatcher_job_failures", "Jobs that failed, by why.", "code"
        )
        self._failure_codes: set[str] = set()
        self._retries = self._counter(
            "dispatcher_retries", "Attempts that failed and were repeated, by why.", "code"
        )
        self._ejections = self._counter(
            "dispatcher_ejections",
            "Replicas that were taken out for a while, by what was seen of them.",
            "reason",
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
        self.queue_losses = self._counter(
            "dispatcher_queue_losses", "Broker's queues that were gone, or empty unexpectedly."
        )
        self.restocked = self._counter(
            "dispatcher_restocked_jobs", "Jobs that had lost their place in the queue."
        )
        self.trace_spans = self._counter(
            "dispatcher_trace_spans", "Spans for a collector, by what became of them.", "outcome"
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

        self._show_zeros()

    def count_failure(self, code: str) -> None:
        """Note a job that failed."""
        if code not in self._failure_codes:
            if len(self._failure_codes) >= _MAX_FAILURE_CODES:
                code = _OTHER
            self._failure_codes.add(code)
        self._job_failures.labels(code).inc()

    def count_retry(self, code: str) -> None:
        """Note an attempt that failed with this code and is repeated."""
        self._retries.labels(code).inc()

    def count_ejection(self, reason: str) -> None:
        """Note a replica that gets no work for a while."""
        self._ejections.labels(reason).inc()

    def observe_stage(self, step_type: str, *, duration_s: float) -> None:
        """Note a stage that was run."""
        self._stage_duration.labels(step_type).observe(duration_s)

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
        known: set[str] = set()
        for replica in replicas:
            if replica.step not in known:
                known.add(replica.step)
                # Who averages over several dispatchers must find a 0 where there is none.
                for state in REPLICA_STATES:
                    self._replicas.labels(replica.step, state)
            self._ongoing.labels(replica.step).inc(replica.ongoing)
            self._replicas.labels(replica.step, replica.state).inc()
        return generate_latest(self._registry)

    def _show_zeros(self) -> None:
        """Show what has not happened yet, too: a rate needs something that it began with."""
        for reason in EJECTION_REASONS:
            self._ejections.labels(reason)
        for code in RETRY_CODES:
            self._retries.labels(code)
        for outcome in WEBHOOK_OUTCOMES:
            self.webhooks.labels(outcome)

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
