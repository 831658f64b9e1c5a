"""The document of ``GET /status``: every key of the wire contract, rounded as there."""

from typing import Any

from dispatcher.blobs.base import BlobStore
from dispatcher.intake.cache import ResultCache
from dispatcher.jobs import JobState
from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.replica import Replica
from dispatcher.queues.base import JobQueue
from dispatcher.results.base import ResultStore
from dispatcher.telemetry.figures import CacheOutcome, Figures


class StatusView:
    """Reads the figures of all rooms at one moment."""

    def __init__(
        self,
        *,
        figures: Figures,
        queue: JobQueue,
        results: ResultStore,
        cache: ResultCache,
        pools: PoolDirectory,
        pipelines: PipelineStore,
        blobs: BlobStore,
    ) -> None:
        self._figures = figures
        self._queue = queue
        self._results = results
        self._cache = cache
        self._pools = pools
        self._pipelines = pipelines
        self._blobs = blobs

    def document(self) -> dict[str, Any]:
        """Return the figures."""
        figures, replicas = self._figures, self._pools.replicas()
        return {
            "cache_metrics": self._cache_metrics(),
            "endpoint_url": replicas[0].url if replicas else "",
            "failed_requests": figures.ended[JobState.FAILED],
            "cancelled_requests": figures.ended[JobState.CANCELLED],
            "expired_requests": figures.ended[JobState.EXPIRED],
            "health_metrics": {
                "error_rate": _percent(self._unanswered(), sum(figures.ended.values())),
                "last_request_timestamp": figures.last_request_at,
                "uptime": round(figures.uptime_s(), 2),
            },
            "performance_metrics": self._performance_metrics(),
            "queue_metrics": self._queue_metrics(),
            "queue_size": self._queue.depth(),
            "stored_results": self._results.count(),
            "storage_metrics": {"blob_bytes": self._blobs.total_bytes()},
            "successful_requests": figures.ended[JobState.COMPLETED],
            "total_requests": figures.accepted,
            "replicas": [_replica(replica) for replica in replicas],
            "pipelines": [pipeline.id for pipeline in self._pipelines.all()],
        }

    def _unanswered(self) -> int:
        """Return how many jobs ended without the answer that their clients still wanted."""
        return self._figures.ended[JobState.FAILED] + self._figures.ended[JobState.EXPIRED]

    def _cache_metrics(self) -> dict[str, Any]:
        counts = self._figures.cache
        hits = counts[CacheOutcome.HIT]
        misses = counts[CacheOutcome.MISS]
        coalesced = counts[CacheOutcome.COALESCED]
        rate = _percent(hits, hits + misses + coalesced)
        return {
            "cache_hit_rate": rate,
            "cache_hits": hits,
            "hit_rate": rate,
            "hits": hits,
            "max_size": self._cache.max_size,
            "misses": misses,
            "size": len(self._cache),
            "utilization": _percent(len(self._cache), self._cache.max_size),
            "coalesced": coalesced,
            "bytes": self._cache.total_bytes(),
        }

    def _performance_metrics(self) -> dict[str, float]:
        figures, latency = self._figures, self._figures.latency()
        return {
            "avg_processing_time": round(figures.average_processing_s(), 3),
            "avg_queue_time": round(figures.average_queue_s(), 3),
            "throughput": round(figures.throughput(), 2),
            "p50_latency": round(latency.p50, 3),
            "p95_latency": round(latency.p95, 3),
            "p99_latency": round(latency.p99, 3),
        }

    def _queue_metrics(self) -> dict[str, Any]:
        return {
            "peak_queue_size": self._figures.peak_depth,
            "queue_capacity": self._queue.capacity,
            "queue_utilization": _percent(self._queue.depth(), self._queue.capacity),
            "oldest_age": round(self._queue.oldest_age_s(), 3),
        }


def _replica(replica: Replica) -> dict[str, Any]:
    latency = replica.ewma_latency_s
    return {
        "url": replica.url,
        "step": replica.step,
        "state": replica.state.value,
        "ongoing": replica.ongoing,
        "served": replica.served,
        "errors": replica.errors,
        "max_batch_size": replica.max_batch_size,
        "ewma_latency": None if latency is None else round(latency, 4),
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
