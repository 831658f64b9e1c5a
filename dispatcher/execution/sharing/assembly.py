"""Puts together what one dispatcher needs to share the chunks of large pictures."""

import asyncio
from dataclasses import dataclass

from dispatcher.blobs.base import BlobStore
from dispatcher.chunks.base import ChunkBoard
from dispatcher.errors import GoneError, NotFoundError, RequestError
from dispatcher.execution.attempts import Attempts
from dispatcher.execution.chunks import LocalChunks
from dispatcher.execution.sharing.awaited import AwaitedChunks
from dispatcher.execution.sharing.carrying import SharedChunks
from dispatcher.execution.sharing.computing import ChunkComputer
from dispatcher.execution.sharing.gathering import Tools
from dispatcher.execution.sharing.helping import ChunkHelper, IsOver
from dispatcher.execution.sharing.pictures import ChunkPictures
from dispatcher.execution.sharing.policy import SharingPolicy
from dispatcher.execution.sharing.upkeep import ChunkUpkeep
from dispatcher.pools.directory import PoolDirectory
from dispatcher.results.base import ResultStore


@dataclass(frozen=True, slots=True)
class ChunkSharing:
    """A dispatcher's part in sharing chunks."""

    chunks: SharedChunks
    """For the jobs that it carries."""
    helper: ChunkHelper
    upkeep: ChunkUpkeep

    async def run(self) -> None:
        """Help others and look after one's own until cancelled."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self.helper.run())
                loops.create_task(self.upkeep.run())
        finally:
            await self.chunks.close()


def is_over_in(results: ResultStore) -> IsOver:
    """Return what says of a job whether it has ended, as far as a store can tell."""

    async def is_over(job_id: str) -> bool:
        try:
            return (await results.get(job_id)).state.is_terminal
        except (NotFoundError, GoneError):
            return True
        except RequestError:  # it cannot be reached now
            return False

    return is_over


def build_sharing(
    board: ChunkBoard,
    *,
    attempts: Attempts,
    pools: PoolDirectory,
    blobs: BlobStore,
    is_over: IsOver,
    name: str,
    policy: SharingPolicy | None = None,
) -> ChunkSharing:
    """Build what shares chunks on a board; nothing is started.

    Args:
        board: where chunks are offered, kept and told of.
        attempts: have one item computed.
        pools: tell which replicas are ready.
        blobs: have the images as they were sent.
        is_over: says of a job whether it has ended.
        name: of this dispatcher, as results tell it.
        policy: when to share; the usual unless told.
    """
    policy = policy or SharingPolicy()
    awaited = AwaitedChunks()
    helper = ChunkHelper(
        board,
        computer=ChunkComputer(attempts, name=name),
        pictures=ChunkPictures(blobs=blobs, shelf=board.shelf),
        awaited=awaited,
        pools=pools,
        is_over=is_over,
        policy=policy,
    )
    upkeep = ChunkUpkeep(board, awaited=awaited, pools=pools, in_work=helper.in_work, policy=policy)
    tools = Tools(board, helper, upkeep, awaited, policy)
    shared = SharedChunks(tools, local=LocalChunks(attempts), pools=pools, name=name)
    return ChunkSharing(shared, helper, upkeep)
