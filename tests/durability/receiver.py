"""Somebody who wants to be told: receives webhooks and logs them."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.durability.client_log import ClientLog


@dataclass
class Receiver:
    """What was delivered: the ``webhook-id`` of every delivery, by job."""

    url: str = ""
    webhook_ids: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def take(self, request: web.Request) -> web.Response:
        """Take one delivery."""
        document = await request.json()
        self.webhook_ids[document["request_id"]].append(request.headers["webhook-id"])
        return web.Response()

    def missing(self, log: ClientLog) -> list[str]:
        """Return the jobs of whose end nobody was told."""
        wanted = [job_id for job_id, order in log.accepted().items() if order.webhook_url]
        return [job_id for job_id in wanted if job_id not in self.webhook_ids]

    def renamed(self) -> list[str]:
        """Return the jobs of which two deliveries had different ids."""
        return [job_id for job_id, ids in self.webhook_ids.items() if len(set(ids)) > 1]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver until the end of the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/told", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}/told"
        yield receiver
    finally:
        await runner.cleanup()
