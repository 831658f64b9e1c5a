"""Scripted replicas in a pool, and items for them."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from dispatcher.pools.client import ReadyReport
from dispatcher.pools.health import HealthPolicy
from dispatcher.pools.parcel import Answer
from dispatcher.pools.pool import Pool
from dispatcher.pools.replica import Replica
from step_app.contract.frames import BatchItem
from tests.dispatcher.scripted_replica import Script, ScriptedReplica, serve

QUICK = HealthPolicy(
    min_attempt_timeout_s=0.1, max_attempt_timeout_s=0.1, base_ejection_s=0.2, max_ejection_s=0.4
)
NO_TURN_AWAY = HealthPolicy(base_ejection_s=1000.0, max_ejection_s=1000.0)


async def servers(stack: AsyncExitStack, *scripts: Script) -> list[ScriptedReplica]:
    return [await stack.enter_async_context(serve(script)) for script in scripts]


def make_ready(pool: Pool, *, max_batch_size: int = 4) -> None:
    report = ReadyReport(revision="r1", max_batch_size=max_batch_size, description="")
    for replica in pool.replicas:
        pool.apply_probe(replica, report)


def replica_at(pool: Pool, server: ScriptedReplica) -> Replica:
    return next(replica for replica in pool.replicas if replica.url == server.url)


def item(name: str) -> BatchItem:
    return BatchItem(id=name, filename="a.png", image=name.encode())


async def ask(pool: Pool, name: str, *, avoid: Sequence[str] = ()) -> Answer:
    return await pool.process(item(name), avoid=avoid, patience_s=30)


async def process(pool: Pool, *names: str) -> list[Answer | BaseException]:
    async with asyncio.timeout(10):
        return await asyncio.gather(*(ask(pool, name) for name in names), return_exceptions=True)
