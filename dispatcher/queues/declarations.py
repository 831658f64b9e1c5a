"""The queues of a broker: their names, what they are declared with, and what is in them.

::

    conveyor.<lane>.high | normal | bulk     jobs, in quorum queues: kept by a majority of nodes
             │ cannot be read, or returned a thousand times
             ▼
    conveyor.dead (exchange) ──▶ conveyor.dead       workers end their jobs as failed
                                     │ cannot be read
                                     ▼
                                 conveyor.unreadable   for an operator

A quorum queue knows at most two priorities, hence three queues for each lane. Arguments cannot be
changed once a queue is there, so nothing that can be set is among them. An operator may lower
``max-length`` by a policy.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.common import FieldValue

from dispatcher.jobs import Priority
from dispatcher.servers.broker_link import ASK_WITHIN_S, BrokerAwayError, BrokerLink, telling_away

_log = logging.getLogger(__name__)

DEAD: Final = "conveyor.dead"
"""Where messages go that no worker could handle; an exchange and its queue."""
UNREADABLE: Final = "conveyor.unreadable"
"""Those of them that nobody can make out a job in."""
_PREFIX: Final = "conveyor."
_MAX_LENGTH: Final = 1_000_000
"""Messages: a last bound, for the capacity is minded before; as much as a capacity may be."""
_DELIVERY_LIMIT: Final = 1000
"""Everything that is given back counts here, also what was never begun; whether a job is poison is
decided by how often it was begun."""
_HOLD_MS: Final = 24 * 3600 * 1000
"""How long a job may be in work before the broker takes it back, where it lets itself be told."""

_DELETE_WITHIN_S: Final = 15.0
"""A queue without a leader takes the broker five seconds."""

_Arguments = dict[str, FieldValue]
_QUORUM: Final[Mapping[str, FieldValue]] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": _DELIVERY_LIMIT,
    "x-consumer-timeout": _HOLD_MS,
}
JOB_QUEUE: Final[Mapping[str, FieldValue]] = {
    **_QUORUM,
    "x-max-length": _MAX_LENGTH,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": DEAD,
    "x-dead-letter-strategy": "at-least-once",
}


@dataclass(frozen=True, slots=True)
class QueueCount:
    """What is in a queue of the broker."""

    ready: int
    """Messages that were delivered to nobody yet."""
    consumers: int


def queue_name(lane: str, priority: Priority) -> str:
    """Return the name of the queue of a lane and priority."""
    return f"{_PREFIX}{lane}.{priority.name.lower()}"


def queue_names(lane: str) -> dict[Priority, str]:
    """Return the names of the queues of a lane, the most urgent first."""
    return {priority: queue_name(lane, priority) for priority in Priority}


class Declarations:
    """Declares queues, each once for as long as nobody deletes it, and looks into them."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link
        self._lanes: set[str] = set()
        self._has_dead = False
        self._declaring = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._channel: AbstractChannel | None = None

    @property
    def lanes(self) -> Collection[str]:
        """The lanes whose queues were declared."""
        return self._lanes

    async def declare(self, lane: str) -> None:
        """Return once the queues of a lane are there, and those for dead letters.

        Raises:
            BrokerAwayError: that cannot be told.
        """
        if lane in self._lanes and self._has_dead:
            return
        async with self._declaring:
            if not self._has_dead:
                await self._declare_dead()
                self._has_dead = True
            if lane not in self._lanes:
                names = queue_names(lane).values()
                await asyncio.gather(*(self._declare(name, JOB_QUEUE) for name in names))
                self._lanes.add(lane)

    def forget(self, lane: str) -> None:
        """Declare the queues of a lane again, and those for dead letters: one was not there."""
        self._lanes.discard(lane)
        self._has_dead = False

    async def delete(self, name: str) -> None:
        """Delete a queue with everything in it.

        Raises:
            BrokerAwayError: it cannot be told whether it is.
        """
        channel = await self._link.open_channel()
        with telling_away():
            async with asyncio.timeout(_DELETE_WITHIN_S):
                await channel.queue_delete(name)
                await channel.close()

    async def count(self, name: str) -> QueueCount | None:
        """Return what is in a queue; None when there is no such queue.

        Raises:
            BrokerAwayError: that cannot be told.
        """
        async with self._looking:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.open_channel()
            try:
                with telling_away():
                    async with asyncio.timeout(ASK_WITHIN_S):
                        found = await self._channel.declare_queue(name, passive=True)
            except BrokerAwayError as exc:
                if isinstance(exc.__cause__, ChannelNotFoundEntity):
                    return None  # and the channel is closed: so the protocol wants it
                raise
        result = found.declaration_result
        return QueueCount(ready=result.message_count or 0, consumers=result.consumer_count or 0)

    async def _declare_dead(self) -> None:
        await asyncio.gather(self._declare(DEAD, _QUORUM), self._declare(UNREADABLE, _QUORUM))
        channel = await self._link.open_channel()
        with telling_away():
            async with asyncio.timeout(ASK_WITHIN_S):
                exchange = await channel.declare_exchange(DEAD, ExchangeType.FANOUT, durable=True)
                queue = await channel.get_queue(DEAD, ensure=False)
                await queue.bind(exchange)
                await channel.close()

    async def _declare(self, name: str, arguments: Mapping[str, FieldValue]) -> None:
        channel = await self._link.open_channel()
        try:
            with telling_away():
                # Closing, too, may take for ever when the connection is lost meanwhile.
                async with asyncio.timeout(ASK_WITHIN_S):
                    await channel.declare_queue(name, durable=True, arguments=_Arguments(arguments))
                    await channel.close()
        except BrokerAwayError as exc:
            if not isinstance(exc.__cause__, ChannelPreconditionFailed):
                raise
            # Another version has declared it: its messages are worth more than our arguments.
            _log.warning("a queue was declared differently", extra={"queue": name})
