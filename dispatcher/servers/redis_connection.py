"""One dispatcher's connection to Redis: deadlines on every call, and a breaker behind them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import DataError, RedisError, ResponseError

from dispatcher.errors import ResultsUnavailableError
from dispatcher.servers.redis_client import make_client
from dispatcher.servers.redis_feed import OnMessage, RedisFeed
from dispatcher.servers.redis_reasons import away, is_refusal, reason_of
from dispatcher.servers.room import Room
from dispatcher.servers.watch import AwayError, Watch

_log = logging.getLogger(__name__)

T = TypeVar("T")
_WAIT_S: Final = 0.3
_DEADLINE_S: Final = 0.7
"""For all commands of a question, after it has waited for its turn."""
_AT_A_TIME: Final = 32
_CANCEL_AGAIN_S: Final = 0.1
_RETRY_AFTER_S: Final = 2


class RedisConnection:
    """Asks Redis, or says at once that it is away."""

    def __init__(self, url: str) -> None:
        """Prepare a connection; nothing is opened.

        Args:
            url: ``redis://`` or ``rediss://``, with its credentials.

        Raises:
            StartupError: it is no such URL.
        """
        self._client = make_client(url, max_connections=2 * _AT_A_TIME, deadline_s=_DEADLINE_S)
        self._room = Room("Redis", calls=_AT_A_TIME, wait_s=_WAIT_S)
        self._watch = Watch("Redis", look=self._look, freshen=self._reconnect)
        self._feed = RedisFeed(
            make_client(url, max_connections=1, deadline_s=_DEADLINE_S),
            on_return=self._watch.tell_of_return,
        )
        self._loops: list[asyncio.Task[None]] = []
        self._asking: set[asyncio.Task[object]] = set()
        self._is_closed = False

    def unready(self) -> str | None:
        """Say, for people, why Redis cannot be asked now; None when it can."""
        return self._watch.unready()

    def refuses(self) -> bool:
        """Say whether Redis does not take the credentials."""
        return self._watch.refuses()

    async def start(self) -> None:
        """Open it in the background, and open it again whenever it is lost."""
        self._loops = [
            asyncio.create_task(self._watch.run()),
            asyncio.create_task(self._feed.run()),
        ]

    async def close(self) -> None:
        """Close it, once what was asked has been answered; whoever asks later is refused."""
        while running := [loop for loop in self._loops if not loop.done()]:
            for loop in running:
                # Again: redis-py sends by asyncio.wait_for, which in Python 3.11 may lose it.
                loop.cancel()
            await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._is_closed = True  # a connection that opens from now on would never be closed
        await asyncio.gather(*self._asking, return_exceptions=True)  # what was asked meanwhile
        await self._feed.close()
        await self._client.aclose()

    async def run(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Return the answer to one question, within a second.

        The question is asked to its end also when the caller is cancelled, so that its answer is
        never taken for another's (CVE-2023-28858).

        Raises:
            ResultsUnavailableError: Redis does not answer, or has not lately.
        """
        asking = asyncio.create_task(self._in_turn(ask))
        self._asking.add(asking)
        asking.add_done_callback(self._forget)
        try:
            return await asyncio.shield(asking)
        except AwayError as exc:
            raise _unavailable(str(exc)) from exc
        except ResponseError as exc:
            raise _unavailable(reason_of(exc)) from exc

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell all subscribers; those that are not there are not told.

        Raises:
            ResultsUnavailableError: likewise.
        """
        await self.run(lambda client: client.publish(channel, message))

    def subscribe(self, channel: str, on_message: OnMessage) -> None:
        """Have each message of a channel handed over, from ``start`` on; some may be missed."""
        self._feed.subscribe(channel, on_message)

    def on_return(self, call: Callable[[], None]) -> None:
        """Have something called whenever Redis is back: messages may have been missed.

        That is whenever it is asked again, and whenever messages come again, at first, too.
        """
        self._watch.on_return(call)

    def _forget(self, asking: asyncio.Task[object]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # a caller that was cancelled does not ask for it

    async def _in_turn(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        if self._is_closed:
            raise AwayError("the connection to Redis was closed")
        self._watch.require()
        async with self._room:
            return await self._watch.call(lambda: self._ask(ask))

    async def _ask(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Ask within the deadline; a call that is given up takes its connection with it.

        Raises:
            AwayError: it could not be asked.
            ResponseError: it is well, and refuses this.
        """
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await ask(self._client)
        except DataError:
            raise  # what was asked cannot be asked
        except ResponseError as exc:
            if is_refusal(exc):
                _log.warning("Redis refused a command: %s", exc)
                raise
            raise away(exc) from exc
        except (RedisError, OSError, TimeoutError) as exc:
            raise away(exc) from exc

    async def _look(self) -> None:
        try:
            await self._ask(lambda client: client.ping())
        except ResponseError as exc:
            raise away(exc) from exc

    async def _reconnect(self) -> None:
        """Leave connections that nobody answers on, and open another one."""
        try:
            await self._client.connection_pool.disconnect(inuse_connections=False)
        except (RedisError, OSError) as exc:
            _log.debug("a connection to Redis could not be closed: %s", reason_of(exc))
        await self._look()


def _unavailable(reason: str) -> ResultsUnavailableError:
    return ResultsUnavailableError(
        f"The results cannot be reached: {reason}.", retry_after_s=_RETRY_AFTER_S
    )
