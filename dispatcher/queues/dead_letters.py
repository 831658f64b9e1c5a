"""Messages that no dispatcher could make out a job in: set aside for an operator, never lost."""

import asyncio

from aio_pika.abc import AbstractIncomingMessage

from dispatcher.queues.declarations import DEAD, UNREADABLE, Declarations
from dispatcher.queues.messages import UnreadableMessageError, decode_job
from dispatcher.queues.publishing import Publishing
from dispatcher.servers.broker import Broker
from dispatcher.servers.broker_link import ASK_WITHIN_S, telling_away


class DeadLetters:
    """The messages that were set aside."""

    def __init__(self, broker: Broker, declarations: Declarations, publishing: Publishing) -> None:
        self._broker = broker
        self._declarations = declarations
        self._publishing = publishing

    async def refuse(self, message: AbstractIncomingMessage) -> None:
        """Have the broker take a message from its lane.

        Raises:
            BrokerAwayError: its channel is lost: it is delivered again.
        """
        with telling_away():
            async with asyncio.timeout(ASK_WITHIN_S):
                await message.reject(requeue=False)

    async def set_aside(self, message: AbstractIncomingMessage) -> None:
        """Move a message to where nobody consumes.

        Raises:
            BrokerAwayError: it cannot be told whether it was; it is delivered again.
            NoSuchQueueError: there is no such place; likewise.
            MessageRefusedError: it is full; likewise.
        """
        await self._broker.publish(UNREADABLE, message.body, message_id=message.message_id or "")
        await settle(message, is_done=True)

    async def count(self) -> int:
        """Return how many there are, those included that no worker has looked at yet.

        Raises:
            BrokerAwayError: that cannot be told.
        """
        counts = [await self._declarations.count(name) for name in (DEAD, UNREADABLE)]
        return sum(count.ready for count in counts if count is not None)

    async def put_back(self, *, limit: int) -> int:
        """Publish those again that can be read by now; return how many.

        Raises:
            BrokerAwayError: it broke off; none is lost.
            QueueFullError: likewise.
            QueueUnavailableError: likewise.
        """
        there = await self._declarations.count(UNREADABLE)
        channel = await self._broker.managing.open_channel()
        done = 0
        try:
            with telling_away():
                queue = await channel.get_queue(UNREADABLE, ensure=False)
            for _ in range(there.ready if there else 0):
                if done >= limit:
                    break
                with telling_away():
                    async with asyncio.timeout(ASK_WITHIN_S):
                        message = await queue.get(fail=False)
                if message is None:
                    break
                done += await self._put_back(message)
        finally:
            # What was not acknowledged, because it cannot be read, so goes back.
            with telling_away():
                async with asyncio.timeout(ASK_WITHIN_S):
                    await channel.close()
        return done

    async def drop(self) -> int:
        """Throw all of them away that no worker can end; return how many.

        Raises:
            BrokerAwayError: it cannot be told how many were.
        """
        channel = await self._broker.managing.open_channel()
        with telling_away():
            async with asyncio.timeout(ASK_WITHIN_S):
                queue = await channel.get_queue(UNREADABLE, ensure=False)
                purged = await queue.purge()
                await channel.close()
        return purged.message_count or 0

    async def _put_back(self, message: AbstractIncomingMessage) -> bool:
        try:
            job = decode_job(message.body)
        except UnreadableMessageError:
            return False
        await self._publishing.publish(job)
        await settle(message, is_done=True)
        return True


async def settle(message: AbstractIncomingMessage, *, is_done: bool) -> None:
    """Acknowledge a message, or give it back to the broker.

    Raises:
        BrokerAwayError: its channel is lost: it is delivered again.
    """
    with telling_away():
        async with asyncio.timeout(ASK_WITHIN_S):
            await (message.ack() if is_done else message.nack(requeue=True))
