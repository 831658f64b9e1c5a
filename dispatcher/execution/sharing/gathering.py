"""Chunks of one picture that were offered: waited for, looked after, and computed if nobody does.

The thin loop of a carrier. It is told of each outcome and looks by itself now and then, because
news may be missed; a chunk that nobody is at work on for too long it has computed by its own
replicas, so that no job waits for ever.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dispatcher.chunks.base import ChunkBoard, ChunkRequest
from dispatcher.errors import (
    QueueUnavailableError,
    ResultsUnavailableError,
    StorageUnavailableError,
)
from dispatcher.execution.chunks import Chunk
from dispatcher.execution.sharing.awaited import AwaitedChunks, Outcomes
from dispatcher.execution.sharing.computing import chunk_of, raise_failure
from dispatcher.execution.sharing.helping import ChunkHelper
from dispatcher.execution.sharing.policy import Attention, SharingPolicy, patience
from dispatcher.execution.sharing.upkeep import ChunkUpkeep

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What carriers of this dispatcher gather chunks with."""

    board: ChunkBoard
    helper: ChunkHelper
    """Computes offered chunks, and those that nobody takes."""
    upkeep: ChunkUpkeep
    """Fetches outcomes."""
    awaited: AwaitedChunks
    """Hands them over."""
    policy: SharingPolicy


class Gathering:
    """The missing chunks of one picture, on their way."""

    def __init__(self, tools: Tools, requests: Sequence[ChunkRequest], picture: bytes) -> None:
        """Gather chunks; nothing is offered yet.

        Args:
            tools: what to do it with.
            requests: of one stage and one picture, at least one.
            picture: what the chunks are made of.
        """
        self._tools = tools
        self._requests = {request.path: request for request in requests}
        self._picture = picture
        self._step = requests[0].step
        self._job_id = requests[0].job_id
        self._attention = Attention()
        self._rescues: dict[str, asyncio.Task[None]] = {}
        """Chunks that are computed here because nobody else does."""

    async def run(self) -> list[Chunk]:
        """Return the chunks, in the order of their requests.

        Raises:
            GaveUpError: one of them failed for good.
        """
        awaited = self._tools.awaited
        outcomes = awaited.expect(self._requests)
        try:
            if not await self._offer():
                self._rescue(self._requests)
            await self._wait(outcomes)
        finally:
            awaited.forget(outcomes)
            for task in self._rescues.values():
                task.cancel()
            await asyncio.gather(*self._rescues.values(), return_exceptions=True)
        return [chunk_of(outcome.result()) for outcome in outcomes.values()]

    async def _offer(self) -> bool:
        """Offer the chunks to all, this dispatcher included; False when that cannot be."""
        board, requests = self._tools.board, list(self._requests.values())
        try:
            if not requests[0].is_sent:
                await board.shelf.put_picture(self._job_id, requests[0].digest, self._picture)
            await board.offers.offer(requests)
        except (QueueUnavailableError, StorageUnavailableError) as exc:
            _log.warning("chunks are not shared: %s", exc.code, extra={"job_id": self._job_id})
            return False
        await self._call()
        return True

    async def _wait(self, outcomes: Outcomes) -> None:
        """Return when all outcomes are here, or one that is a failure."""
        pending = set(outcomes.values())
        look_at = time.monotonic() + self._tools.policy.look_every_s
        while pending:
            done, pending = await asyncio.wait(
                pending,
                timeout=max(0.0, look_at - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for outcome in done:
                raise_failure(outcome.result())
            if pending and time.monotonic() >= look_at:
                await self._look([path for path, one in outcomes.items() if one in pending])
                look_at = time.monotonic() + self._tools.policy.look_every_s

    async def _look(self, paths: Sequence[str]) -> None:
        """Find what was kept and not heard of; compute what nobody computes; call again."""
        with contextlib.suppress(StorageUnavailableError):
            kept = await self._tools.board.shelf.finished(self._job_id)
            for path in kept.intersection(paths):
                await self._tools.upkeep.fetch(path)
        self._rescue(await self._neglected(paths))
        await self._call()

    async def _neglected(self, paths: Sequence[str]) -> list[str]:
        """Return the chunks that nobody has been at work on for too long."""
        helper = self._tools.helper
        in_work = self._rescued() | helper.in_work()
        is_blind = False
        try:
            in_work |= await self._tools.board.news.in_work(paths)
        except ResultsUnavailableError:
            is_blind = True
        if helper.is_full(self._step):
            in_work.update(paths)  # it takes them in their turn, if nobody else does
        patience_s = patience(
            self._tools.policy, is_blind=is_blind, is_ready=helper.is_ready(self._step)
        )
        return self._attention.neglected(
            paths, in_work=in_work, patience_s=patience_s, now=time.monotonic()
        )

    def _rescued(self) -> set[str]:
        """Return the chunks that are being rescued.

        Raises:
            Exception: whatever one of them has ended with instead of an outcome.
        """
        for task in self._rescues.values():
            if task.done():
                task.result()
        return set(self._rescues)

    async def _call(self) -> None:
        self._tools.helper.want(self._step)
        with contextlib.suppress(ResultsUnavailableError):  # then nobody else helps
            await self._tools.board.news.call(self._step)

    def _rescue(self, paths: Collection[str]) -> None:
        for path in paths:
            computing = self._tools.helper.compute(self._requests[path], self._picture)
            self._rescues[path] = asyncio.create_task(computing)
