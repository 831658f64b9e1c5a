"""The chunks of a job's picture, computed by whoever has room, and joined by its carrier.

What somebody has computed is found on the shelf, also after the death of an earlier carrier: only
what is missing is offered. A carrier holds no replica while it waits.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dispatcher.chunks.base import ChunkRequest, picture_path
from dispatcher.errors import ResultsUnavailableError, StorageUnavailableError
from dispatcher.execution.chunks import Chunk, LocalChunks, TiledStage
from dispatcher.execution.sharing.computing import chunk_of
from dispatcher.execution.sharing.gathering import Gathering, Tools
from dispatcher.execution.sharing.policy import Paces, is_worth_offering
from dispatcher.execution.sharing.upkeep import name_of
from dispatcher.execution.together import together
from dispatcher.pools.directory import PoolDirectory


class SharedChunks:
    """A ``ChunkRunner`` that lets other dispatchers compute a part of a large picture."""

    def __init__(
        self, tools: Tools, *, local: LocalChunks, pools: PoolDirectory, name: str
    ) -> None:
        """Share chunks.

        Args:
            tools: what chunks are shared with.
            local: computes those that are not offered.
            pools: tell which replicas are ready here.
            name: of this dispatcher, as results tell it.
        """
        self._tools = tools
        self._board = tools.board
        self._local = local
        self._pools = pools
        self._name = name
        self._paces = Paces()
        self._dismissing: set[asyncio.Task[None]] = set()

    async def run(self, stage: TiledStage) -> Sequence[Chunk]:
        """Return all chunks, in order.

        Raises:
            GaveUpError: one of them failed for good; the work on the others is stopped.
        """
        if stage.weight_bytes < self._tools.policy.min_weight_bytes:
            return await self._compute_here(stage, range(stage.tiles))
        requests = await _requests_of(stage)
        chunks = await self._finished(stage.job_id, requests)
        missing = [request for request in requests if request.index not in chunks]
        in_work = self._tools.helper.in_work()
        # What the helper here works on for an earlier carrier is waited for.
        is_offered = any(request.path in in_work for request in missing)
        is_offered = is_offered or await self._is_worth_offering(stage, len(missing))
        if is_offered:
            computed = await self._share(missing, stage.item.image)
        else:
            computed = await self._compute_here(stage, [one.index for one in missing])
        if chunks or is_offered:
            picture = picture_path(stage.job_id, requests[0].digest)
            self._tools.upkeep.remove_later([picture, *(request.path for request in requests)])
        self._note_paces(stage, computed)
        chunks.update({one.index: chunk for one, chunk in zip(missing, computed, strict=True)})
        return [chunks[index] for index in range(stage.tiles)]

    async def close(self) -> None:
        """End what nobody waits for."""
        for task in self._dismissing:
            task.cancel()
        await asyncio.gather(*self._dismissing, return_exceptions=True)

    async def _compute_here(self, stage: TiledStage, indices: Iterable[int]) -> list[Chunk]:
        chunks = await together(self._local.run_one(stage, index) for index in indices)
        return [replace(chunk, dispatcher=self._name) for chunk in chunks]

    async def _finished(self, job_id: str, requests: Sequence[ChunkRequest]) -> dict[int, Chunk]:
        """Return what an earlier carrier of the job, and its helpers, have left."""
        shelf = self._board.shelf
        try:
            paths = await shelf.finished(job_id)
            left = [request for request in requests if request.path in paths]
            outcomes = [await shelf.find(request.path) for request in left]
        except StorageUnavailableError:
            return {}
        return {
            request.index: chunk_of(outcome)
            for request, outcome in zip(left, outcomes, strict=True)
            if outcome is not None
        }

    async def _is_worth_offering(self, stage: TiledStage, missing: int) -> bool:
        pool = self._pools.get(str(stage.key))
        here = {name_of(replica.url) for replica in pool.replicas}
        try:
            known = await self._board.news.replicas(pool.step)
        except ResultsUnavailableError:
            return False
        policy = self._tools.policy
        return is_worth_offering(
            missing,
            here=pool.ready,
            elsewhere=len(known - here),
            chunk_s=self._paces.expected_s(stage.work, policy, weight_bytes=stage.weight_bytes),
            cost_s=policy.fixed_cost_s + policy.cost_s_per_byte * len(stage.item.image),
        )

    def _note_paces(self, stage: TiledStage, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            duration_s = chunk.attempted.answer.duration_s
            self._paces.note(stage.work, duration_s, weight_bytes=stage.weight_bytes)

    async def _share(self, missing: Sequence[ChunkRequest], picture: bytes) -> list[Chunk]:
        try:
            return await Gathering(self._tools, missing, picture).run()
        except BaseException:  # also when the job is stopped
            dismissing = asyncio.create_task(self._dismiss(missing[0].job_id))
            self._dismissing.add(dismissing)
            dismissing.add_done_callback(self._dismissing.discard)
            raise

    async def _dismiss(self, job_id: str) -> None:
        with contextlib.suppress(ResultsUnavailableError):  # then they are computed for nobody
            await self._board.news.dismiss(job_id)


async def _requests_of(stage: TiledStage) -> list[ChunkRequest]:
    image = stage.item.image
    digest = stage.sent_digest
    if not digest:  # of a raw picture it takes tens of milliseconds
        digest = (await asyncio.to_thread(hashlib.sha256, image)).hexdigest()
    return [
        ChunkRequest(
            job_id=stage.job_id,
            filename=stage.item.filename,
            pipeline_id=stage.key.pipeline_id,
            step_id=stage.key.step_id,
            params=stage.item.params,
            work=stage.work,
            output=stage.item.output,
            index=index,
            count=stage.tiles,
            digest=digest,
            is_sent=bool(stage.sent_digest),
            weight_bytes=stage.weight_bytes,
            label=stage.label,
            trace=stage.item.trace,
        )
        for index in range(stage.tiles)
    ]
