"""The way to one replica: what waits for it, and the requests on the road.

At most two requests are on the road, one that the replica computes and one that it finds ready
when it is done; what arrives meanwhile travels together in the next.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.errors import (
    AttemptError,
    AttemptTimeoutError,
    ItemRejectedError,
    NotSentError,
    ReplicaLostError,
)
from dispatcher.pools.client import ReplicaClient
from dispatcher.pools.health import FailureKind, HealthPolicy, attempt_timeout_s
from dispatcher.pools.replica import Replica
from dispatcher.pools.replies import read_reply
from step_app.contract import BatchItem, BatchReply

_MAX_REQUESTS: Final = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A replica's result for one item."""

    result: Mapping[str, Any]
    duration_s: float
    revision: str
    replica_url: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One item and who waits for its answer."""

    item: BatchItem
    answer: "asyncio.Future[Answer]"


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
        self._is_flush_scheduled = False

    def add(self, parcel: Parcel) -> None:
        """Take a parcel; what is added in one turn of the event loop travels together."""
        self.replica.ongoing += 1
        self._waiting.append(parcel)
        if not self._is_flush_scheduled:
            self._is_flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def fail_all(self) -> None:
        """Give back everything: what was not sent at no cost, what was sent as lost."""
        while self._waiting:
            self._fail([self._waiting.popleft()], NotSentError("the replica was ejected"))
        # Not left to the requests: one that is cancelled before its first step never runs.
        while self._requests:
            request, batch = self._requests.popitem()
            self._fail(batch, ReplicaLostError("the replica was ejected while it worked"))
            request.cancel()

    async def close(self) -> None:
        """Give back everything and wait until nothing is on the road."""
        requests = list(self._requests)
        self.fail_all()
        await asyncio.gather(*requests, return_exceptions=True)

    def _flush(self) -> None:
        self._is_flush_scheduled = False
        while self._waiting and len(self._requests) < _MAX_REQUESTS:
            size = min(len(self._waiting), self.replica.max_batch_size)
            batch = [self._waiting.popleft() for _ in range(size)]
            wanted = [parcel for parcel in batch if not parcel.answer.done()]
            self.replica.ongoing -= len(batch) - len(wanted)
            if wanted:
                request = asyncio.create_task(self._send(wanted))
                self._requests[request] = wanted

    async def _send(self, batch: list[Parcel]) -> None:
        started = time.monotonic()
        timeout_s = attempt_timeout_s(self.replica, self._policy)
        try:
            reply = await self._client.send(
                self.replica.url, [parcel.item for parcel in batch], timeout_s=timeout_s
            )
        except AttemptError as exc:
            if not self._land():
                return
            self.replica.record_failure(len(batch))
            self._fail(batch, exc)
            self._on_failure(self, _kind_of(exc))
        else:
            if not self._land():
                return
            self._deliver(batch, reply, latency_s=time.monotonic() - started)
        self._flush()
        self._on_room()

    def _land(self) -> bool:
        """Take the current request off the road; False when its batch was given back before."""
        request = asyncio.current_task()
        assert request is not None
        return self._requests.pop(request, None) is not None

    def _deliver(self, batch: list[Parcel], reply: BatchReply, *, latency_s: float) -> None:
        """Give each parcel its answer; one bad answer does not spoil the others."""
        self.replica.ongoing -= len(batch)
        failures = 0
        for parcel, item in zip(batch, reply.items, strict=True):
            try:
                answer = Answer(
                    result=read_reply(item),
                    duration_s=item.duration_s,
                    revision=reply.revision,
                    replica_url=self.replica.url,
                )
            except ItemRejectedError as exc:
                _fail_parcel(parcel, exc)
            except AttemptError as exc:
                failures += 1
                _fail_parcel(parcel, exc.at(self.replica.url))
            else:
                if not parcel.answer.done():
                    parcel.answer.set_result(answer)
        if failures:
            self.replica.record_failure(failures)
            self._on_failure(self, FailureKind.WRONG)
        else:
            self.replica.record_success(latency_s, len(batch))

    def _fail(self, batch: list[Parcel], error: AttemptError) -> None:
        self.replica.ongoing -= len(batch)
        for parcel in batch:
            _fail_parcel(parcel, error.at(self.replica.url))


def _kind_of(error: AttemptError) -> FailureKind:
    if isinstance(error, (NotSentError, ReplicaLostError)):
        return FailureKind.GONE
    return FailureKind.SILENT if isinstance(error, AttemptTimeoutError) else FailureKind.WRONG


def _fail_parcel(parcel: Parcel, error: AttemptError) -> None:
    if not parcel.answer.done():
        parcel.answer.set_exception(error)
