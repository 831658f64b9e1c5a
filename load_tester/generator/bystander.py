"""Looks at a service from beside the run: is it busy, and what do its metrics say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from yarl import URL

from load_tester.errors import ImageError
from load_tester.generator.scraper import keep_lines, key_for, sum_families
from load_tester.settings import TargetSettings
from load_tester.targets.client import HttpClient, Reply, open_session

TIMEOUT_S = 5.0


class Bystander:
    """Looks at one service, whose metrics are at `metrics_url`; what it cannot tell is nothing."""

    def __init__(self, client: HttpClient, *, metrics_client: HttpClient, metrics_url: str) -> None:
        self._client = client
        self._metrics_client = metrics_client
        self._metrics_address = URL(metrics_url)

    async def check_reachable(self) -> None:
        """Return when the service answers; raises UnreachableError with the cause."""
        await self._client.check_reachable("/health")

    async def read_metrics(self) -> dict[str, float]:
        """Return the service's metrics by name, summed over their labels; empty without any."""
        reply = await _get(self._metrics_client, self._metrics_address)
        if reply is None or reply.status != HTTPStatus.OK:
            return {}
        return sum_families(keep_lines(reply.body))

    async def is_busy(self) -> bool:
        """Tell whether the service says that it is not ready, or that images wait in its queue.

        A service that says nothing of either is not busy.
        """
        ready = await self._ask("/readyz")
        if ready is not None and ready.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return True
        status = await self._ask("/status")
        return status is not None and _read_queue_size(status) > 0

    async def _ask(self, path: str) -> Reply | None:
        return await _get(self._client, self._client.address(path))


@asynccontextmanager
async def open_bystander(target: TargetSettings, *, metrics_url: str) -> AsyncIterator[Bystander]:
    """Open a bystander of the target's first service, with connections of its own.

    The key goes nowhere but to the services of the target.
    """
    async with (
        open_session(api_key=target.api_key) as session,
        open_session(api_key=key_for(metrics_url, target)) as metrics_session,
    ):
        yield Bystander(
            HttpClient(session, url=target.urls[0]),
            metrics_client=HttpClient(metrics_session, url=metrics_url),
            metrics_url=metrics_url,
        )


async def _get(client: HttpClient, address: URL) -> Reply | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await client.get(address)
    except (ImageError, TimeoutError):
        return None


def _read_queue_size(reply: Reply) -> int:
    try:
        size = json.loads(reply.body)["queue_size"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0
    return size if isinstance(size, int) else 0
