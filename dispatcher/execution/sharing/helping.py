"""Computes chunks that are offered, by this dispatcher or another one: the thin loop.

A dispatcher takes as many as it has ready replicas, so that a picture of few chunks is spread as
widely as it can be; while a chunk is being kept, the next one is computed. One whose replicas are
all at work hesitates, and leaves the chunk to those whose are not.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dispatcher.chunks.base import ChunkBoard, ChunkOutcome, ChunkRequest, Hearing, Offer
from dispatcher.errors import (
    QueueUnavailableError,
    ResultsUnavailableError,
    StorageUnavailableError,
)
from dispatcher.execution.sharing.awaited import AwaitedChunks
from dispatcher.execution.sharing.computing import NO_CAPACITY, ChunkComputer
from dispatcher.execution.sharing.pictures import ChunkPictures
from dispatcher.execution.sharing.policy import SharingPolicy
from dispatcher.pools.directory import PoolDirectory
from dispatcher.pools.pool import Pool

_log = logging.getLogger(__name__)

GIVE_BACK_PAUSE_S: Final = 1.0

IsOver = Callable[[str], Awaitable[bool]]
"""Says whether a job has ended, so that nobody wants its chunks; False when it cannot be told."""


class _NoCapacityError(Exception):
    """No replica here could take a chunk: others may have one."""


class ChunkHelper:
    """Takes chunks off the board while replicas have room for them."""

    def __init__(
        self,
        board: ChunkBoard,
        *,
        computer: ChunkComputer,
        pictures: ChunkPictures,
        awaited: AwaitedChunks,
        pools: PoolDirectory,
        is_over: IsOver,
        policy: SharingPolicy,
    ) -> None:
        """Help with the chunks of a board.

        Args:
            board: where they are offered, kept and told of.
            computer: has one computed.
            pictures: what they are made of.
            awaited: those that this dispatcher waits for itself.
            pools: tell for how many chunks of a step there is room.
            is_over: says of a job whether its chunks are unwanted.
            policy: how long to hesitate.
        """
        self._board = board
        self._computer = computer
        self._pictures = pictures
        self._awaited = awaited
        self._pools = pools
        self._is_over = is_over
        self._policy = policy
        self._called: set[str] = set()
        """Steps of which chunks may wait on the board."""
        self._hesitating: set[str] = set()
        self._woken = asyncio.Event()
        self._in_hand: dict[asyncio.Task[None], ChunkRequest] = {}
        self._computing: set[asyncio.Task[None]] = set()
        """Those of them whose chunks are not yet being kept."""
        self._unwanted: set[asyncio.Task[None]] = set()
        board.news.listen(Hearing(self.want, on_kept=lambda _: None, on_unwanted=self._drop))

    def want(self, step: str) -> None:
        """Take note that chunks of a step wait on the board."""
        self._called.add(step)
        self._woken.set()

    def is_full(self, step: str) -> bool:
        """Say whether offers of a step wait for a chunk to be done here: none is lost."""
        return step in self._called

    def is_ready(self, step: str) -> bool:
        """Say whether any replica of a step is ready here."""
        return any(pool.step == step and pool.ready for pool in self._pools.pools())

    def in_work(self) -> set[str]:
        """Return the paths of the chunks that are in hand."""
        return {request.path for request in self._in_hand.values()}

    async def run(self) -> None:
        """Take and compute chunks until cancelled; those in work are then given back."""
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for step in sorted(self._called):
                    await self._take(step)
        finally:
            await asyncio.sleep(0)  # all of them have begun: else none of their code would run
            for task in self._in_hand:
                task.cancel()
            await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def compute(self, request: ChunkRequest, picture: bytes) -> None:
        """Have a chunk computed here, whoever else might; whoever waits for it gets it."""
        outcome = await self._computer.compute(request, picture)
        self._awaited.deliver(request.path, outcome)
        await self._keep(request, outcome)

    async def _take(self, step: str) -> None:
        """Take chunks of one step for as long as there is room and any are offered."""
        self._called.discard(step)
        pool = next((pool for pool in self._pools.pools() if pool.step == step), None)
        if pool is None or not pool.ready:
            return  # the carrier calls again
        if self._hesitates(pool):
            return
        try:
            while self._has_room(pool):
                offer = await self._board.offers.take(step)
                if offer is None:
                    return
                self._begin(offer)
        except QueueUnavailableError:
            return
        self._called.add(step)  # there may be more: again when a chunk is done

    def _hesitates(self, pool: Pool) -> bool:
        """Say whether to leave the chunks to others for a moment; True once for each call."""
        is_busy = sum(replica.ongoing for replica in pool.replicas) >= pool.ready
        if not is_busy or pool.step in self._hesitating:
            self._hesitating.discard(pool.step)
            return False
        self._hesitating.add(pool.step)
        asyncio.get_running_loop().call_later(self._policy.hesitation_s, self.want, pool.step)
        return True

    def _has_room(self, pool: Pool) -> bool:
        in_hand = [task for task, chunk in self._in_hand.items() if chunk.step == pool.step]
        computing = len(self._computing.intersection(in_hand))
        return computing < pool.ready and len(in_hand) <= 2 * pool.ready

    def _begin(self, offer: Offer) -> None:
        task = asyncio.create_task(self._work(offer))
        self._in_hand[task] = offer.request
        self._computing.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        del self._in_hand[task]
        self._computing.discard(task)
        self._unwanted.discard(task)
        if not self._in_hand:
            self._pictures.forget()
        self._woken.set()

    def _drop(self, job_id: str) -> None:
        """Stop the work on chunks that nobody wants any more."""
        for task, request in self._in_hand.items():
            if request.job_id == job_id:
                self._unwanted.add(task)
                # Not before it has begun: it would never give its offer back.
                asyncio.get_running_loop().call_soon(task.cancel)

    async def _work(self, offer: Offer) -> None:
        offers = self._board.offers
        try:
            await self._handle(offer.request)
            await offers.settle(offer)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            if task in self._unwanted and not task.uncancel():
                await offers.settle(offer)
                return
            await offers.give_back(offer)
            raise
        except (_NoCapacityError, StorageUnavailableError):
            # The loop must not take it again at once.
            try:
                await asyncio.sleep(GIVE_BACK_PAUSE_S)
            finally:
                await offers.give_back(offer)
        except Exception:
            # The carrier of the job computes it, and sees what is wrong with it.
            _log.exception("a chunk is left alone", extra={"job_id": offer.request.job_id})
            await offers.settle(offer)

    async def _handle(self, request: ChunkRequest) -> None:
        """Compute a chunk and keep it, unless that is done already or nobody wants it."""
        try:
            outcome = await self._compute_if_wanted(request)
        finally:
            self._stop_computing()
        if outcome is None:
            return
        if outcome.error is not None and outcome.error.code == NO_CAPACITY:
            raise _NoCapacityError
        self._awaited.deliver(request.path, outcome)
        await self._keep(request, outcome)

    async def _compute_if_wanted(self, request: ChunkRequest) -> ChunkOutcome | None:
        if self._is_in_work_twice(request.path) or await self._is_over(request.job_id):
            return None
        if await self._board.shelf.has(request.path):
            return None
        picture = await self._pictures.get(request)
        if picture is None:
            _log.warning("the picture of a chunk is gone", extra={"job_id": request.job_id})
            return None
        return await self._computer.compute(request, picture)

    def _is_in_work_twice(self, path: str) -> bool:
        """Say whether it was offered again while it is computed here: by its next carrier."""
        return sum(request.path == path for request in self._in_hand.values()) > 1

    def _stop_computing(self) -> None:
        """Make room for the next chunk while this one is being kept."""
        task = asyncio.current_task()
        assert task is not None
        self._computing.discard(task)
        self._woken.set()

    async def _keep(self, request: ChunkRequest, outcome: ChunkOutcome) -> None:
        """Keep an outcome and tell of it; should it not be possible, its carrier computes it."""
        for pause_s in (*self._policy.keeping_pauses_s, 0.0):
            try:
                await self._board.shelf.keep(request.path, outcome)
                break
            except StorageUnavailableError:
                await asyncio.sleep(pause_s)
        else:
            _log.error("a chunk cannot be kept", extra={"job_id": request.job_id})
            return
        with contextlib.suppress(ResultsUnavailableError):  # its carrier looks by itself
            await self._board.news.tell_kept(request.path)
