"""Offered chunks in RabbitMQ: one queue for each step, from which dispatchers fetch one at a time.

They fetch and do not subscribe: so each takes exactly what it has room for, and what it has taken
is offered again when its connection is lost.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pamqp.common import FieldValue

from dispatcher.chunks.base import SCHEMA, ChunkRequest, Offer
from dispatcher.errors import QueueUnavailableError
from dispatcher.servers.broker import Broker, MessageRefusedError, NoSuchQueueError
from dispatcher.servers.broker_link import ASK_WITHIN_S, BrokerAwayError, telling_away

_log = logging.getLogger(__name__)

PREFIX: Final = "conveyor.tiles."
_DECLARED_AGAIN_AFTER_S: Final = 60.0
_ARGUMENTS: Final[Mapping[str, FieldValue]] = {
    "x-queue-type": "quorum",
    "x-message-ttl": 600_000,
    "x-expires": 3_600_000,
    "x-max-length": 100_000,
    "x-delivery-limit": 5,
}
"""An offer that is old, was returned too often or found too many others is dropped: whoever carries
its job computes the chunk. The queue of a step that was deleted goes by itself."""
_RETRY_AFTER_S: Final = 2

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ChunkRequest)


class RabbitmqChunkOffers:
    """A ``ChunkOffers`` for any number of dispatchers."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel: AbstractChannel | None = None
        self._declared_at: dict[str, float] = {}
        """By queue, monotonic."""
        self._busy = asyncio.Lock()
        """Held by whoever opens the channel or declares a queue."""

    async def offer(self, requests: Sequence[ChunkRequest]) -> None:
        """Add chunks of one step."""
        queue = f"{PREFIX}{requests[0].step}"
        with _telling_unavailable():
            await self._declare(queue)
            try:
                await self._publish(queue, requests)
            except NoSuchQueueError:  # it was deleted; those that are there twice do no harm
                self._declared_at.pop(queue, None)
                await self._declare(queue)
                await self._publish(queue, requests)

    async def take(self, step: str) -> Offer | None:
        """Return the oldest offer of a step."""
        name = f"{PREFIX}{step}"
        with _telling_unavailable():
            await self._declare(name)
            channel = await self._open()
            with telling_away():
                queue = await channel.get_queue(name, ensure=False)
                message = await queue.get(no_ack=False, fail=False, timeout=ASK_WITHIN_S)
            if message is None:
                return None
            request = _read(message)
            if request is not None:
                return Offer(request, message)
            await _answer(message, is_done=True)
            return await self.take(step)

    async def settle(self, offer: Offer) -> None:
        """Take an offer off the board."""
        await self._end(offer, is_done=True)

    async def give_back(self, offer: Offer) -> None:
        """Offer it to others again."""
        await self._end(offer, is_done=False)

    async def _end(self, offer: Offer, *, is_done: bool) -> None:
        assert isinstance(offer.token, AbstractIncomingMessage)
        with contextlib.suppress(BrokerAwayError):  # its channel is gone: it is offered again
            await _answer(offer.token, is_done=is_done)

    async def _publish(self, queue: str, requests: Sequence[ChunkRequest]) -> None:
        """Return once the broker has all of them.

        Raises:
            NoSuchQueueError: the queue is not there.
            BrokerAwayError: that cannot be told of some.
            MessageRefusedError: likewise.
        """
        outcomes = await asyncio.gather(
            *(
                self._broker.publish(queue, _encoder.encode(one), message_id=one.path)
                for one in requests
            ),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _declare(self, name: str) -> None:
        """Have a queue be there for as long as it is used: one that is not used goes by itself."""
        now = time.monotonic()
        if now - self._declared_at.get(name, -_DECLARED_AGAIN_AFTER_S) < _DECLARED_AGAIN_AFTER_S:
            return
        channel = await self._broker.consuming.open_channel()
        with telling_away():
            await channel.declare_queue(
                name, durable=True, arguments=dict(_ARGUMENTS), timeout=ASK_WITHIN_S
            )
            await channel.close()
        self._declared_at[name] = now

    async def _open(self) -> AbstractChannel:
        async with self._busy:
            if self._channel is None or self._channel.is_closed:
                # Another broker may be there by now, without the queues.
                self._declared_at.clear()
                self._channel = await self._broker.consuming.open_channel()
            return self._channel


@contextlib.contextmanager
def _telling_unavailable() -> Iterator[None]:
    try:
        yield
    except (BrokerAwayError, MessageRefusedError, NoSuchQueueError) as exc:
        raise QueueUnavailableError(
            f"Chunks cannot be offered: {exc}.", retry_after_s=_RETRY_AFTER_S
        ) from exc


def _read(message: AbstractIncomingMessage) -> ChunkRequest | None:
    """Return what a message asks for; None when this version does not understand it."""
    try:
        request = _decoder.decode(message.body)
    except msgspec.MsgspecError:
        request = None
    if request is not None and request.schema == SCHEMA:
        return request
    _log.warning("an offer cannot be read", extra={"path": message.message_id})
    return None


async def _answer(message: AbstractIncomingMessage, *, is_done: bool) -> None:
    with telling_away():
        async with asyncio.timeout(ASK_WITHIN_S):
            await (message.ack() if is_done else message.nack(requeue=True))
