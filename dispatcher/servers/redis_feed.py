"""Messages that dispatchers send each other through Redis, on a connection of its own.

Nothing is kept for one who was not listening; so whoever listens is told each time when a
connection begins, and looks for itself what it may have missed.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from dispatcher.servers.redis_reasons import reason_of

_log = logging.getLogger(__name__)

OnMessage = Callable[[bytes], None]
"""Takes one message of a channel, on the event loop."""

_ASK_AFTER_S: Final = 2.0
"""After so long without a message a sign of life is asked for."""
_ANSWER_WITHIN_S: Final = 2.0
_PAUSE_S: Final = 1.0


class RedisFeed:
    """Listens to channels, and listens again whenever the connection was lost."""

    def __init__(self, client: Redis, *, on_return: Callable[[], None]) -> None:
        """Prepare to listen; nothing is opened.

        Args:
            client: of this feed alone; closed by it.
            on_return: called each time when messages of all channels begin to come.
        """
        self._client = client
        self._tell_of_return = on_return
        self._handlers: dict[bytes, OnMessage] = {}
        self._pubsub: PubSub | None = None
        self._unconfirmed: set[bytes] = set()
        self._has_channels = asyncio.Event()
        self._adding: set[asyncio.Task[None]] = set()

    def subscribe(self, channel: str, on_message: OnMessage) -> None:
        """Have each message of a channel handed over; at once when the feed listens already."""
        name = channel.encode()
        self._handlers[name] = on_message
        self._has_channels.set()
        if self._pubsub is not None:
            adding = asyncio.create_task(self._ask_for(self._pubsub, name))
            self._adding.add(adding)
            adding.add_done_callback(self._adding.discard)

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._has_channels.wait()
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as exc:
                _log.info("messages stopped: %s", reason_of(exc))
            except Exception:  # a loop that died would leave this dispatcher deaf for ever
                _log.exception("messages stopped")
            await asyncio.sleep(_PAUSE_S * random.uniform(0.5, 1.0))

    async def close(self) -> None:
        """Close the connection; ``run`` has been cancelled before."""
        for adding in self._adding:
            adding.cancel()
        await asyncio.gather(*self._adding, return_exceptions=True)
        await self._client.aclose()

    async def _listen(self) -> None:
        """Hand over messages until the connection is lost, and raise then."""
        pubsub = self._client.pubsub()
        try:
            known = frozenset(self._handlers)
            self._unconfirmed = set(known)
            await pubsub.subscribe(*known)
            self._pubsub = pubsub
            for channel in self._handlers.keys() - known:  # came in the meantime
                await self._ask_for(pubsub, channel)
            is_asked = False
            while True:
                patience_s = _ANSWER_WITHIN_S if is_asked else _ASK_AFTER_S
                message = await pubsub.get_message(timeout=patience_s)
                if message is not None:
                    is_asked = False
                    self._take(message)
                elif is_asked:
                    raise TimeoutError("no sign of life")
                else:
                    is_asked = True
                    await pubsub.ping()
        finally:
            self._pubsub = None
            await pubsub.aclose()  # type: ignore[no-untyped-call] # the one of its calls that is

    async def _ask_for(self, pubsub: PubSub, channel: bytes) -> None:
        """Add a channel to those that are listened to."""
        if pubsub is not self._pubsub:
            return  # it was closed, and would take the one connection; the next has all channels
        self._unconfirmed.add(channel)
        try:
            await pubsub.subscribe(channel)
        except (RedisError, OSError, TimeoutError) as exc:
            # The connection is lost: the next one begins with all channels.
            _log.debug("a channel is asked for again: %s", reason_of(exc))

    def _take(self, message: Mapping[str, Any]) -> None:
        kind, channel = message["type"], message["channel"]
        if kind == "message":
            handler = self._handlers.get(channel)
            try:
                if handler is not None:
                    handler(message["data"])
            except Exception:
                _log.exception("a message was not understood")
        elif kind == "subscribe" and channel in self._unconfirmed:
            self._unconfirmed.discard(channel)
            if not self._unconfirmed:
                self._tell_of_return()
