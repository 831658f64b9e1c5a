"""Turns records into pipelines and pools: the thin loop behind every ``Discovery``."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.pipelines.store import PipelineStore
from dispatcher.pools.directory import PoolDirectory
from dispatcher.topology.base import Discovery
from dispatcher.topology.configmap import StepRecord, pipelines_of
from dispatcher.topology.revisions import RevisionBook

_REVISIONS_EVERY_S: Final = 0.25


async def follow_records(
    discovery: Discovery,
    *,
    pipelines: PipelineStore,
    pools: PoolDirectory,
    on_applied: Callable[[Sequence[StepRecord]], None] = lambda _: None,
) -> None:
    """Keep pipelines and pools like the records say, until cancelled.

    Args:
        discovery: tells what there is, and each change.
        pipelines: follows it.
        pools: follow it.
        on_applied: called with the records whenever they have.
    """
    known = _Known(pipelines, pools)

    async def follow_snapshots() -> None:
        async for records in discovery.snapshots():
            known.take(records)
            pools.apply({str(record.key): record.endpoints for record in records})
            on_applied(records)

    loops = [asyncio.create_task(follow_snapshots()), asyncio.create_task(known.keep_revised())]
    try:
        ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        for loop in ended:
            await loop  # raises why it ended
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


class _Known:
    """The records of the last snapshot, completed with what replicas report."""

    def __init__(self, pipelines: PipelineStore, pools: PoolDirectory) -> None:
        self._pipelines = pipelines
        self._pools = pools
        self._book = RevisionBook()
        self._said: Sequence[StepRecord] = ()
        self._completed: Sequence[StepRecord] = ()

    def take(self, records: Sequence[StepRecord]) -> None:
        """Take new records."""
        self._said = records
        self._completed = self._book.completed(records, self._reported)
        self._pipelines.replace(pipelines_of(self._completed))

    async def keep_revised(self) -> None:
        """Look again and again at what replicas report."""
        while True:
            await asyncio.sleep(_REVISIONS_EVERY_S)
            if self._book.completed(self._said, self._reported) != self._completed:
                self.take(self._said)

    def _reported(self, step: str) -> set[str]:
        return {replica.revision for replica in self._pools.get(step).replicas if replica.is_ready}
