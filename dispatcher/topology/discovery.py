"""Turns records into pipelines and pools: the thin loop behind every ``Discovery``."""

from collections.abc import Callable

from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.topology.base import Discovery
from dispatcher.topology.configmap import pipelines_of


async def follow_records(
    discovery: Discovery,
    *,
    pipelines: PipelineStore,
    pools: PoolDirectory,
    on_applied: Callable[[], None] = lambda: None,
) -> None:
    """Keep pipelines and pools like the records say, until cancelled.

    Args:
        discovery: tells what there is, and each change.
        pipelines: follows it.
        pools: follow it.
        on_applied: called whenever they have.
    """
    async for records in discovery.snapshots():
        pipelines.replace(pipelines_of(records))
        pools.apply({str(record.key): record.endpoints for record in records})
        on_applied()
