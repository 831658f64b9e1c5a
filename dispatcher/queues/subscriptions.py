"""What this process consumes from the broker: one channel for each queue that it has room for.

A channel of its own for each, because an error closes a channel with all that was delivered on it.
What was delivered is acknowledged on the same channel, so one is closed only when nothing of it is
in work any more.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from dispatcher.servers.broker_link import ASK_WITHIN_S, BrokerAwayError, BrokerLink, telling_away

_log = logging.getLogger(__name__)

_SHRINK_AFTER_S: Final = 10.0
"""A prefetch count that is too large stays for so long: what was delivered would have to go back,
and each return counts at the broker."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One consumer, and the channel that it is on."""

    name: str
    """Of the queue."""
    prefetch: int
    channel: AbstractChannel
    tag: str = ""
    """Empty while it does not consume."""
    is_lost: bool = False
    """Whether its channel is, and everything that was delivered on it."""
    began_at: float = field(default_factory=time.monotonic)
    """Monotonic seconds."""
    heard_at: float = 0.0
    """When a message came last, likewise."""


OnDelivery = Callable[[Subscription, AbstractIncomingMessage], None]
OnOver = Callable[[Subscription], object]


class Subscriptions:
    """Consumes as much as is wanted, again after each interruption."""

    def __init__(
        self,
        link: BrokerLink,
        *,
        spare: BrokerLink,
        on_delivery: OnDelivery,
        on_lost: OnOver,
        release: Callable[[Subscription], Collection[AbstractIncomingMessage]],
        is_in_use: Callable[[Subscription], bool],
    ) -> None:
        """Consume from a broker.

        Args:
            link: where to.
            spare: another connection, for queues that may take the first one down.
            on_delivery: takes each message.
            on_lost: called when the messages of a subscription are void.
            release: lets go of what waits of a subscription, and returns it.
            is_in_use: says whether anything of a subscription is in work.
        """
        self._link = link
        self._spare = spare
        self._on_delivery = on_delivery
        self._on_lost = on_lost
        self._release = release
        self._is_in_use = is_in_use
        self._active: dict[str, Subscription] = {}
        self._retired: list[Subscription] = []
        self._smaller_since: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}
        """Since when the broker says nothing of a queue."""
        self._suspects: set[str] = set()
        """Those that it was silent about, which costs other queues nothing on the spare link: in
        the end the broker closes the connection on which it was asked for too much."""
        self._cancelled: set[str] = set()
        """Queues whose consumers the broker has ended."""

    def active(self) -> dict[str, Subscription]:
        """Return what is consumed, by the queue's name."""
        return dict(self._active)

    def silent(self, *, for_s: float) -> list[str]:
        """Return the queues of which the broker has said nothing for so long, but of others."""
        now = time.monotonic()
        return [name for name, since in self._silent_since.items() if now - since >= for_s]

    def expect(self, name: str) -> None:
        """Begin anew with a queue that was silent."""
        self._silent_since.pop(name, None)

    async def follow(self, wanted: Mapping[str, int]) -> None:
        """Consume exactly these queues, with these prefetch counts.

        One that the broker is silent about holds up no other; what fails is tried again the next
        time.
        """
        cancelled, self._cancelled = self._cancelled, set()
        await asyncio.gather(*(self.renew(name) for name in cancelled))
        unwanted = [name for name in self._active if name not in wanted]
        await asyncio.gather(*(self._try(name, self._retire(name)) for name in unwanted))
        await asyncio.gather(
            *(
                self._try(name, self._follow_one(name, prefetch))
                for name, prefetch in wanted.items()
            )
        )
        for one in list(self._retired):  # what was in work may wait again
            await self._try(one.name, self._send_back(one))
        await self._close_unused()

    async def _try(self, name: str, act: Awaitable[None]) -> None:
        try:
            await act
        except BrokerAwayError as exc:
            if isinstance(exc.__cause__, TimeoutError):
                self._suspects.add(name)
                self._silent_since.setdefault(name, time.monotonic())
            if self._link.unready() is not None:
                self._silent_since.clear()  # it is silent about all
            await self.renew(name)
        else:
            self._suspects.discard(name)
            self._silent_since.pop(name, None)

    async def renew(self, name: str) -> None:
        """Consume a queue anew that has no consumer although there should be one."""
        subscription = self._active.pop(name, None)
        if subscription is not None:
            self._lose(subscription)
            await _close(subscription.channel)

    async def close(self) -> None:
        """End all; what is not acknowledged goes back to the broker."""
        for subscription in [*self._active.values(), *self._retired]:
            self._lose(subscription)
            await _close(subscription.channel)
        self._active.clear()
        self._retired.clear()

    async def _follow_one(self, name: str, prefetch: int) -> None:
        now = time.monotonic()
        current = self._active.get(name)
        if current is None:
            self._active[name] = await self._begin(name, prefetch)
        elif prefetch > current.prefetch:
            # What it has delivered does not count for the new one: for a while it is a bit more.
            await self._resume(current, prefetch)
        elif prefetch == current.prefetch:
            self._smaller_since.pop(name, None)
        elif now - self._smaller_since.setdefault(name, now) >= _SHRINK_AFTER_S:
            del self._smaller_since[name]
            await self._give_back(current)
            await self._resume(current, prefetch)

    async def _begin(self, name: str, prefetch: int) -> Subscription:
        link = self._spare if name in self._suspects else self._link
        channel = await link.open_channel()
        subscription = Subscription(name, prefetch, channel)
        channel.close_callbacks.add(lambda *_: self._lose(subscription))
        inner = await channel.get_underlay_channel()
        inner.on_consumer_cancel_callbacks.add(lambda _: self._cancelled.add(name))
        try:
            await self._consume(subscription)
        except BaseException:
            self._lose(subscription)
            await _close(channel)
            raise
        return subscription

    async def _consume(self, subscription: Subscription) -> None:
        async def deliver(message: AbstractIncomingMessage) -> None:
            if not subscription.is_lost:
                subscription.heard_at = time.monotonic()
                self._on_delivery(subscription, message)

        channel = subscription.channel
        with telling_away():
            async with asyncio.timeout(ASK_WITHIN_S):
                await channel.set_qos(subscription.prefetch)
                queue = await channel.get_queue(subscription.name, ensure=False)
                subscription.tag = await queue.consume(deliver)
        subscription.began_at = time.monotonic()

    async def _cancel(self, subscription: Subscription) -> None:
        tag, subscription.tag = subscription.tag, ""
        if tag:
            with telling_away():
                async with asyncio.timeout(ASK_WITHIN_S):
                    queue = await subscription.channel.get_queue(subscription.name, ensure=False)
                    await queue.cancel(tag)

    async def _resume(self, subscription: Subscription, prefetch: int) -> None:
        await self._cancel(subscription)
        subscription.prefetch = prefetch
        await self._consume(subscription)

    async def _retire(self, name: str) -> None:
        subscription = self._active.pop(name)
        self._smaller_since.pop(name, None)
        self._retired.append(subscription)
        await self._give_back(subscription)

    async def _give_back(self, subscription: Subscription) -> None:
        """End a consumer, and let others have what waits here."""
        await self._cancel(subscription)
        await self._send_back(subscription)

    async def _send_back(self, subscription: Subscription) -> None:
        for message in self._release(subscription):
            with telling_away():
                async with asyncio.timeout(ASK_WITHIN_S):
                    await message.nack(requeue=True)

    async def _close_unused(self) -> None:
        for subscription in [one for one in self._retired if not self._is_in_use(one)]:
            self._retired.remove(subscription)
            self._lose(subscription)
            await _close(subscription.channel)

    def _lose(self, subscription: Subscription) -> None:
        if subscription.is_lost:
            return
        subscription.is_lost = True
        if self._active.get(subscription.name) is subscription:
            del self._active[subscription.name]
        if subscription in self._retired:
            self._retired.remove(subscription)
        self._on_lost(subscription)


async def _close(channel: AbstractChannel) -> None:
    try:
        with telling_away():
            async with asyncio.timeout(ASK_WITHIN_S):
                await channel.close()
    except BrokerAwayError:
        _log.debug("a channel went with its connection")
