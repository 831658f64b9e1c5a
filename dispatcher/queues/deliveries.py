"""What becomes of messages: each is a job that is held here, or done with, or no job at all."""

import logging
from collections.abc import Callable
from typing import Final

from aio_pika.abc import AbstractIncomingMessage
from cachetools import TTLCache

from dispatcher.jobs import Job
from dispatcher.queues.dead_letters import DeadLetters, settle
from dispatcher.queues.declarations import DEAD
from dispatcher.queues.entering import Spawn
from dispatcher.queues.holdings import Holding, Holdings
from dispatcher.queues.messages import UnreadableMessageError, decode_job
from dispatcher.queues.subscriptions import Subscription
from dispatcher.servers.broker import MessageRefusedError, NoSuchQueueError
from dispatcher.servers.broker_link import BrokerAwayError

_log = logging.getLogger(__name__)

_OVER_FOR_S: Final = 3600.0
_MOST_OVER: Final = 100_000


class Deliveries:
    """Takes messages in, and acknowledges them."""

    def __init__(
        self,
        holdings: Holdings,
        dead_letters: DeadLetters,
        *,
        on_new: Callable[[Job], None],
        spawn: Spawn,
    ) -> None:
        """Put jobs into the hands of this process.

        Args:
            holdings: those hands.
            dead_letters: where goes what cannot be read.
            on_new: called with each job that waits here from now on.
            spawn: does in the background what nobody waits for.
        """
        self._holdings = holdings
        self._dead_letters = dead_letters
        self._on_new = on_new
        self._spawn = spawn
        self._over: TTLCache[str, None] = TTLCache(_MOST_OVER, _OVER_FOR_S)
        """Jobs that are done with here, although a message of theirs may come."""

    def take(self, subscription: Subscription, message: AbstractIncomingMessage) -> None:
        """Take a message in."""
        is_dead = subscription.name == DEAD
        try:
            job = decode_job(message.body)
        except UnreadableMessageError as exc:
            _log.error("a message cannot be read", extra={"reason": str(exc)})
            self._spawn(self._bury(message, is_dead=is_dead))
            return
        if job.id in self._over:
            self._spawn(self._acknowledge(job.id, message))
            return
        is_new = self._holdings.find(job.id) is None
        spare = self._holdings.arrive(job, message, source=subscription, is_dead=is_dead)
        if spare is not None:
            self._spawn(self._drop(spare))
        if is_new:
            self._on_new(job)

    def release(self, subscription: Subscription) -> list[AbstractIncomingMessage]:
        """Let go of what waits of a subscription, and return it: it goes on waiting elsewhere."""
        released = []
        for one in self._holdings.of(subscription):
            message = one.message
            if self._holdings.take_out(one.job.id) is not None and message is not None:
                released.append(message)
        return released

    async def finish(self, holding: Holding) -> None:
        """Acknowledge the message of a job that is done with, now or when it comes again."""
        if holding.message is None:
            self.expect_no_more(holding.job.id)
        else:
            await self._acknowledge(holding.job.id, holding.message)

    def expect_no_more(self, job_id: str) -> None:
        """Take nothing in of a job that is done with."""
        self._over[job_id] = None

    def expect(self, job_id: str) -> None:
        """Take a job in, whatever was before."""
        self._over.pop(job_id, None)

    async def _acknowledge(self, job_id: str, message: AbstractIncomingMessage) -> None:
        try:
            await settle(message, is_done=True)
        except BrokerAwayError:
            self.expect_no_more(job_id)

    async def _drop(self, spare: AbstractIncomingMessage) -> None:
        try:
            await settle(spare, is_done=True)
        except BrokerAwayError:
            _log.debug("one message of two was void already")

    async def _bury(self, message: AbstractIncomingMessage, *, is_dead: bool) -> None:
        try:
            if is_dead:
                await self._dead_letters.set_aside(message)
            else:
                await self._dead_letters.refuse(message)
        except (BrokerAwayError, NoSuchQueueError, MessageRefusedError):
            _log.debug("a message that cannot be read stays where it is")
