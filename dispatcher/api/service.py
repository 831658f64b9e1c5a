"""State of the service: health, readiness, status and metrics."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Response

from dispatcher.api.status import StatusView
from dispatcher.blobs.base import BlobStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import JobQueue
from dispatcher.telemetry.metrics import Metrics


def service_router(
    *,
    status: StatusView,
    metrics: Metrics,
    queue: JobQueue,
    blobs: BlobStore,
    pools: PoolDirectory,
    unready_reasons: Callable[[], Sequence[str]],
) -> APIRouter:
    """Return the routes of this resource."""
    router = APIRouter(tags=["service"])

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "healthy"}

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        """Say that the process lives; checks nothing else, so that no outage restarts it."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"description": "Starting or draining; see reasons."}})
    async def readyz(response: Response) -> dict[str, Any]:
        """Say whether new images are taken, and why not."""
        reasons = list(unready_reasons())
        if reasons:
            response.status_code = 503
        return {"status": "unready" if reasons else "ready", "reasons": reasons}

    @router.get("/status")
    async def read_status() -> dict[str, Any]:
        """Return the figures of the service."""
        return status.document()

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text."}},
    )
    async def read_metrics() -> Response:
        """Return the Prometheus metrics."""
        text = metrics.render(
            depth=queue.depth(),
            oldest_age_s=queue.oldest_age_s(),
            blob_bytes=blobs.total_bytes(),
            replicas=pools.replicas(),
        )
        return Response(text, media_type=metrics.content_type)

    return router
