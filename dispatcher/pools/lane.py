"""The way to one replica: what waits for it, and the requests on the road.

At most two requests are on the road, one that the replica computes and one that it finds ready
when it is done; what arrives meanwhile travels together in the next. An item that was on the road
when a replica died or fell silent may be the reason, so it travels alone from then on: nothing
else is on the road with it, and whatever it does, it does to itself.

What nobody waits for any more makes room at once. A request is broken off when all of its items
are unwanted, which the replica sees; else it is told which ones, and the others come as usual.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.errors import (
    AttemptError,
    AttemptTimeoutError,
    ItemRejectedError,
    NotSentError,
    ReplicaFailedError,
    ReplicaLostError,
)
from dispatcher.pools.health import FailureKind, HealthPolicy, attempt_timeout_s
from dispatcher.pools.parcel import Answer, Parcel
from dispatcher.pools.replica import Replica
from dispatcher.pools.replies import read_reply
from step_app.contract.frames import BatchReply

_log = logging.getLogger(__name__)
_MAX_REQUESTS: Final = 2
_MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
"""Images of one request, or the pixels that they become; a single one may be larger."""

OnFailure = Callable[["Lane", FailureKind], None]
"""Called with the lane after a failed request, and what was seen of the replica."""


class Lane:
    """Carries parcels to one replica."""

    def __init__(
        self,
        replica: Replica,
        *,
        client: ReplicaClient,
        policy: HealthPolicy,
        on_room: Callable[[], None],
        on_failure: OnFailure,
    ) -> None:
        self.replica = replica
        self._client = client
        self._policy = policy
        self._on_room = on_room
        self._on_failure = on_failure
        self._waiting: deque[Parcel] = deque()
        self._requests: dict[asyncio.Task[None], list[Parcel]] = {}
        """On the road, oldest first."""
        self._taken_back: set[Parcel] = set()
        """On the road, but no longer counted: nobody waits for them."""
        self._untold: set[Parcel] = set()
        """Those of which the replica does not know yet."""
        self._calls: set[asyncio.Task[None]] = set()
        """In which the replica is told of those."""
        self._is_flush_scheduled = False
        self._is_oldest_settled = False
        """Whether the request that the replica worked on has been judged already."""

    def add(self, parcel: Parcel) -> None:
        """Take a parcel; what is added in one turn of the event loop travels together."""
        self.replica.take_on(now=time.monotonic())
        self._waiting.append(parcel)
        if not self._is_flush_scheduled:
            self._is_flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def take_back(self, parcel: Parcel) -> bool:
        """Drop a parcel that nobody waits for any more; False when it is not here."""
        if parcel in self._waiting:
            self._waiting.remove(parcel)
        elif any(parcel in batch for batch in self._requests.values()):
            # Those of one job come in one turn of the event loop, and are judged together.
            if not self._untold:
                asyncio.get_running_loop().call_soon(self._break_off)
            self._untold.add(parcel)
            self._taken_back.add(parcel)
        else:
            return False
        self.replica.let_go(1, now=time.monotonic())
        self._on_room()
        return True

    @property
    def is_idle(self) -> bool:
        """Say whether nothing waits here or is on the road."""
        return not self._waiting and not self._requests

    def retire(self) -> None:
        """Give back what waits; what is on the road may come to its end."""
        self._give_back(NotSentError("the replica is to end"))

    def fail_all(self) -> None:
        """Give back everything: the oldest request as lost, the others at no cost.

        A replica works on its requests one after the other, so the later ones were not touched.
        """
        self._give_back(NotSentError("the replica was ejected"))
        untouched = NotSentError("the replica was ejected before it came to this")
        error: AttemptError = ReplicaLostError("the replica was ejected while it worked")
        if self._is_oldest_settled:
            error = untouched
        # Not left to the requests: one that is cancelled before its first step never runs.
        for request, batch in list(self._requests.items()):
            del self._requests[request]
            self._fail(batch, error)
            request.cancel()
            error = untouched

    async def close(self) -> None:
        """Give back everything and wait until nothing is on the road."""
        requests = [*self._requests, *self._calls]
        self.fail_all()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    def _give_back(self, error: NotSentError) -> None:
        while self._waiting:
            self._fail([self._waiting.popleft()], error)

    def _break_off(self) -> None:
        """Break off requests of which nothing is wanted; tell the replica of other items."""
        untold, self._untold = self._untold, set()
        for request, batch in list(self._requests.items()):
            if not any(parcel.is_wanted for parcel in batch):
                del self._requests[request]
                self._unload(batch)
                request.cancel()
            elif unwanted := [parcel.item.id for parcel in batch if parcel in untold]:
                call = asyncio.create_task(self._client.cancel(self.replica.url, unwanted))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
        self._flush()
        self._on_room()

    def _flush(self) -> None:
        self._is_flush_scheduled = False
        while self._waiting and len(self._requests) < _MAX_REQUESTS:
            if any(parcel.alone for batch in self._requests.values() for parcel in batch):
                return
            if self._waiting[0].alone and self._requests:
                return
            wanted = self._take_batch()
            if wanted:
                before = [parcel for batch in self._requests.values() for parcel in batch]
                request = asyncio.create_task(self._send(wanted, [*before, *wanted]))
                self._requests[request] = wanted

    def _take_batch(self) -> list[Parcel]:
        """Take what may travel together, and leave out what nobody waits for any more."""
        batch: list[Parcel] = []
        size_bytes = 0
        while self._waiting and len(batch) < self.replica.max_batch_size:
            parcel = self._waiting[0]
            size_bytes += parcel.size_bytes
            if batch and (parcel.alone or size_bytes > _MAX_REQUEST_BYTES):
                break
            self._waiting.popleft()
            if not parcel.is_wanted:
                self.replica.let_go(1, now=time.monotonic())
                self._on_room()
                continue
            batch.append(parcel)
            if parcel.alone:
                break
        return batch

    async def _send(self, batch: list[Parcel], work: list[Parcel]) -> None:
        """Send a batch; the replica has to do all of ``work`` until it can answer."""
        started = time.monotonic()
        timeout_s = self._timeout_s(work, is_first=not any(parcel.alone for parcel in work))
        try:
            reply = await self._client.send(
                self.replica.url,
                [parcel.item for parcel in batch],
                timeout_s=timeout_s,
                weight_bytes=sum(parcel.weight_bytes for parcel in batch),
            )
        except AttemptError as exc:
            is_late = timeout_s < self._timeout_s(work, is_first=False)
            self._handle_failure(batch, exc, is_late=is_late)
        except Exception as exc:
            _log.exception("a request to %s broke", self.replica.url)
            self._handle_failure(batch, ReplicaFailedError(f"the request broke: {exc!r}"))
        else:
            if self._land():
                self._deliver(batch, reply, started=started, work=len(work))
        self._flush()
        self._on_room()

    def _timeout_s(self, work: list[Parcel], *, is_first: bool) -> float:
        return attempt_timeout_s(
            self.replica,
            self._policy,
            work=len(work),
            weight_bytes=sum(parcel.weight_bytes for parcel in work),
            is_first=is_first,
        )

    def _handle_failure(
        self, batch: list[Parcel], error: AttemptError, *, is_late: bool = False
    ) -> None:
        is_oldest = next(iter(self._requests), None) is asyncio.current_task()
        if not self._land():
            return
        self.replica.record_failure(len(batch))
        kind = _kind_of(error, is_late=is_late)
        if isinstance(error, ReplicaLostError) and not is_oldest:
            error = NotSentError("the replica was lost before it came to this")
        self._fail(batch, error)
        self._is_oldest_settled = is_oldest
        self._on_failure(self, kind)
        self._is_oldest_settled = False

    def _land(self) -> bool:
        """Take the current request off the road; False when its batch was given back before."""
        request = asyncio.current_task()
        assert request is not None
        return self._requests.pop(request, None) is not None

    def _deliver(
        self, batch: list[Parcel], reply: BatchReply, *, started: float, work: int
    ) -> None:
        """Give each parcel its answer; one bad answer does not spoil the others."""
        now = time.monotonic()
        self._unload(batch)
        replies = zip(batch, reply.items, strict=True)
        wanted = [(parcel, item) for parcel, item in replies if parcel.is_wanted]
        if not wanted:
            return
        failures = 0
        for parcel, item in wanted:
            try:
                answer = Answer(
                    result=read_reply(item),
                    duration_s=item.duration_s,
                    revision=reply.revision,
                    replica_url=self.replica.url,
                    batch_size=len(batch),
                )
            except ItemRejectedError as exc:
                parcel.fail(exc)
            except AttemptError as exc:
                failures += 1
                parcel.fail(exc.at(self.replica.url))
            else:
                parcel.deliver(answer)
        if failures < len(wanted):
            # One that answers some items well works; the others are more likely at fault.
            self.replica.record_success(
                now - started,
                items=len(wanted) - failures,
                work=work - len(batch) + len(wanted),
                now=now,
            )
            self.replica.errors += failures
        else:
            self.replica.record_failure(failures)
            self._on_failure(self, FailureKind.WRONG)

    def _fail(self, batch: list[Parcel], error: AttemptError) -> None:
        self._unload(batch)
        for parcel in batch:
            parcel.fail(error.at(self.replica.url))

    def _unload(self, batch: list[Parcel]) -> None:
        """Take note that the replica no longer has a batch on hand."""
        on_hand = sum(parcel not in self._taken_back for parcel in batch)
        self.replica.let_go(on_hand, now=time.monotonic())
        self._taken_back.difference_update(batch)


def _kind_of(error: AttemptError, *, is_late: bool) -> FailureKind:
    if isinstance(error, (NotSentError, ReplicaLostError)):
        return FailureKind.GONE
    if isinstance(error, AttemptTimeoutError):
        return FailureKind.LATE if is_late else FailureKind.SILENT
    return FailureKind.WRONG
