"""State of the service: health, readiness, status and metrics."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response

from dispatcher.api.status import StatusView
from dispatcher.blobs.base import BlobStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.queues.base import JobQueue
from dispatcher.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Whether new images are taken."""

    unready: Sequence[str]
    """Why not; nothing when they are."""
    away: Sequence[str]
    """What is out of reach at the moment, so that some calls are answered with 503."""


def service_router(
    *,
    status: StatusView,
    metrics: Metrics,
    queue: JobQueue,
    blobs: BlobStore,
    pools: PoolDirectory,
    read_state: Callable[[], ServiceState],
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
        """Say whether new images are taken, and why not.

        A service that has lost a server which it shares with others stays ready, as `degraded`:
        results can still be read.
        """
        state = read_state()
        if state.unready:
            response.status_code = 503
            return {"status": "unready", "reasons": list(state.unready)}
        return {"status": "degraded" if state.away else "ready", "reasons": list(state.away)}

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
