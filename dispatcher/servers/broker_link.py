"""One connection to RabbitMQ, kept open: looked at every two seconds, opened again when lost.

Own loop instead of aio-pika's robust connection, which restores consumers only sometimes (issue
231) and lets calls wait without end while it is away (636, 556).
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aio_pika import Connection
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ProbableAuthenticationError
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.exceptions import PAMQPException
from yarl import URL

_log = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5
"""After two of them the broker gives the jobs of a dispatcher that is silent to others."""
CONNECT_WITHIN_S: Final = 3.0
ASK_WITHIN_S: Final = 3.0
"""How long one question may take; a broker that does not answer it is taken for lost."""
LOOK_EVERY_S: Final = 2.0
_CLOSE_WITHIN_S: Final = 1.0
_CANCEL_AGAIN_S: Final = 0.2
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 3.0
_SHORT_LIFE_S: Final = CONNECT_WITHIN_S + _LONGEST_PAUSE_S
"""A connection that lasted longer was a good one, and the next is opened at once."""
_REFUSED: Final = "RabbitMQ refuses the credentials"
_BLOCKED: Final = "RabbitMQ takes nothing: it is short of memory or disk"


class BrokerAwayError(Exception):
    """The broker did not do what it was asked, and may have; says why, for people."""


@contextlib.contextmanager
def telling_away() -> Iterator[None]:
    """Make one error of all that can happen to a call when its connection is lost.

    Raises:
        BrokerAwayError: the call failed, or took too long.
    """
    try:
        yield
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # aiormq ends the calls of a connection that it closes in this way.
        raise BrokerAwayError("the connection to RabbitMQ was lost") from exc
    except TimeoutError as exc:
        raise BrokerAwayError("RabbitMQ does not answer") from exc
    except (AMQPError, PAMQPException, OSError, RuntimeError, StopAsyncIteration) as exc:
        # The last one tells that the broker hung up in the middle of the handshake.
        raise BrokerAwayError(_explained(exc)) from exc
    except Exception as exc:
        if type(exc) is not Exception:
            raise
        # aiormq ends confirmations of a connection that it closes in this way, without a word.
        raise BrokerAwayError("the connection to RabbitMQ was lost") from exc


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended.

    Once may not be enough: Python 3.11's ``wait_for``, by which aiormq waits, forgets that it was
    cancelled when what it waits for comes at the same moment (fixed in 3.12).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)


class BrokerLink:
    """One connection of a dispatcher, named after what it is for."""

    def __init__(self, urls: Sequence[URL], *, name: str, tls: ssl.SSLContext | None) -> None:
        """Prepare a connection; nothing is opened.

        Args:
            urls: of each node, with credentials; they are tried in turn.
            name: what the broker's operators see.
            tls: how the broker's certificate is verified; None when the URL is ``amqp://``.
        """
        self._urls = deque(url.with_query({"heartbeat": HEARTBEAT_S}) for url in urls)
        self._name = name
        self._tls = tls
        self._connection: AbstractConnection | None = None
        self._is_open = asyncio.Event()
        self._reason: str | None = "RabbitMQ has not been reached yet"
        self._running: asyncio.Task[None] | None = None
        self._is_closing = False

    def unready(self) -> str | None:
        """Say, for people, why it cannot be used now; None when it can."""
        return self._reason

    @property
    def refuses(self) -> bool:
        """Say whether the broker does not take the credentials."""
        return self._reason is _REFUSED

    @property
    def is_blocked(self) -> bool:
        """Say whether the broker reads nothing from it, because it is short of memory or disk."""
        return self._reason is _BLOCKED

    def start(self) -> None:
        """Open it in the background, and again whenever it is lost."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Close it."""
        self._is_closing = True
        if self._running is not None:
            await end_task(self._running)
            self._running = None

    async def open_channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Return a channel of its own for the caller, who closes it.

        Args:
            confirms: whether the broker confirms what is published on it; a message that finds
                no queue is an error then.

        Raises:
            BrokerAwayError: there is no connection, and none came within a second.
        """
        with telling_away():
            async with asyncio.timeout(1.0 if self._connection is None else ASK_WITHIN_S):
                await self._is_open.wait()
                if self._connection is None:
                    raise BrokerAwayError(self._reason)
                channel = self._connection.channel(
                    publisher_confirms=confirms, on_return_raises=confirms
                )
                await channel.initialize()
                return channel

    async def _run(self) -> None:
        failures, now_s = 0, asyncio.get_running_loop().time
        while True:
            began_s = now_s()
            await self._live()
            self._urls.rotate(-1)
            failures = 0 if now_s() - began_s > _SHORT_LIFE_S else failures + 1
            await asyncio.sleep(_pause_s(failures // len(self._urls)))

    async def _live(self) -> None:
        """Connect, and return when that failed or the connection is lost: for any reason at all.

        A library that fails in a way of its own must not leave the broker away for ever.
        """
        writers = _KeptWriters(self._urls[0].scheme)
        try:
            with telling_away():
                connection = await self._connect(writers)
                try:
                    await self._mind(connection)
                finally:
                    self._connection = None
                    self._is_open.clear()
                    self._note("the connection to RabbitMQ was lost")
                    await _close(connection)
        except BrokerAwayError as exc:
            self._note(str(exc))
        except Exception:
            _log.exception("a connection to RabbitMQ failed", extra={"link": self._name})
            self._note("RabbitMQ cannot be used")
        finally:
            writers.abort()

    async def _connect(self, writers: "_KeptWriters") -> AbstractConnection:
        properties: dict[str, Any] = {"connection_name": self._name}
        connection = Connection(self._urls[0], ssl_context=self._tls, client_properties=properties)
        connection.kwargs["transport_factory"] = writers
        try:
            with telling_away():
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await connection.connect()
        except BaseException:
            await _close(connection)  # it is as good as open to the library
            raise
        return connection

    async def _mind(self, connection: AbstractConnection) -> None:
        """Return when a connection is lost."""
        self._connection = connection
        self._is_open.set()
        self._note(None)
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        channel: AbstractChannel | None = None
        try:
            while not lost.is_set():
                if await _is_blocked(connection):
                    self._note(_BLOCKED)
                    await _wait(lost, for_s=LOOK_EVERY_S / 4)
                    continue
                self._note(None)
                channel = await _look(connection, channel)
                await _wait(lost, for_s=LOOK_EVERY_S)
        except BrokerAwayError as exc:
            if not await _is_blocked(connection):  # it is silent, then, for no reason
                self._note(str(exc))

    def _note(self, reason: str | None) -> None:
        if reason == self._reason:
            return
        if reason is None:
            _log.info("connected to RabbitMQ", extra={"link": self._name})
        elif self._reason is None and not self._is_closing:
            _log.warning(reason, extra={"link": self._name})
        self._reason = reason


class _KeptWriters(TransportFactory):
    """Opens sockets, and can end them whatever the library still waits for on them."""

    def __init__(self, scheme: str) -> None:
        self._factory = TLSTransportFactory() if scheme == "amqps" else TCPTransportFactory()
        self._writers: list[asyncio.StreamWriter] = []

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._factory.create(url, **kwargs)
        self._writers.append(writer)
        return reader, writer

    def abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


async def _look(connection: AbstractConnection, channel: AbstractChannel | None) -> AbstractChannel:
    """Ask the broker for next to nothing, on a channel that is used for nothing else."""
    with telling_away():
        async with asyncio.timeout(ASK_WITHIN_S):
            if channel is None or channel.is_closed:
                channel = connection.channel(publisher_confirms=False)
                await channel.initialize()
            await channel.set_qos(prefetch_count=1)
    return channel


async def _wait(event: asyncio.Event, *, for_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await event.wait()


async def _is_blocked(connection: AbstractConnection) -> bool:
    if connection.transport is None:
        return False
    try:
        async with asyncio.timeout(0.01):
            await connection.transport.ready()
    except TimeoutError:
        return True
    return False


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(BrokerAwayError), telling_away():
        async with asyncio.timeout(_CLOSE_WITHIN_S):
            await connection.close()


def _pause_s(failures: int) -> float:
    """Return how long to wait before the next try: longer each time, and never all at once."""
    longest_s = min(_FIRST_PAUSE_S * 2 ** min(failures, 10), _LONGEST_PAUSE_S)
    return random.uniform(longest_s / 2, longest_s)


def _explained(exc: BaseException) -> str:
    """Say what went wrong without naming the address, which has a password in it."""
    if isinstance(exc, ProbableAuthenticationError):
        return _REFUSED
    if isinstance(exc, ssl.SSLError) or isinstance(exc.__cause__, ssl.SSLError):
        return "RabbitMQ cannot be trusted: its certificate or protocol is not as demanded"
    if isinstance(exc, ChannelInvalidStateError | RuntimeError):
        return "the connection to RabbitMQ was lost"
    return f"RabbitMQ cannot be reached ({type(exc).__name__})"
