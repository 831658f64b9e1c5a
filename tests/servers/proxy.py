"""A TCP proxy that makes a network between two processes slow, silent or broken."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self
from weakref import WeakSet

from tests.ports import free_port

_CHUNK_BYTES: Final = 65_536
_CLOSED_WITHIN_S: Final = 0.02
_RESET: Final = struct.pack("ii", 1, 0)
"""Of SO_LINGER: closing sends RST and drops what was not sent."""


class TcpProxy:
    """Stands before a server, in a thread of its own: usable with and without an event loop.

    A fault holds for connections that are open and for new ones, until ``heal``.
    """

    def __init__(self, target_port: int) -> None:
        """Prepare a proxy; use it as a context manager.

        Args:
            target_port: where the server listens on this machine.
        """
        self.port = free_port()
        self.connections = 0
        """How many were made so far."""
        self.bytes_to_server = 0
        self.bytes_to_client = 0
        self._target_port = target_port
        self._delay_s = 0.0
        self._clients: set[asyncio.StreamWriter] = set()
        self._servers: set[asyncio.StreamWriter] = set()
        self._transports: WeakSet[asyncio.WriteTransport] = WeakSet()
        """All that were made, as far as they may still be open."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._cuts = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy")
        # Set while bytes may pass; asyncio's events belong to the loop that waits for them.
        self._to_server = asyncio.Event()
        self._to_client = asyncio.Event()

    @property
    def open_connections(self) -> int:
        """How many are open now."""
        return len(self._clients)

    def delay(self, delay_s: float) -> None:
        """Hold everything that passes, in either direction, for so long."""
        self._delay_s = delay_s

    def drop(self, *, answers_only: bool = False) -> None:
        """Become a black hole: connections open, nothing is read, nobody is told.

        Args:
            answers_only: what the client sends still arrives.
        """
        self._run(self._drop(answers_only))

    def cut(self) -> None:
        """Reset every open connection; new ones are made."""
        self._run(self._cut())

    def half_close(self) -> None:
        """Send each client the end of its answers; what it sends still arrives."""
        self._run(self._half_close())

    def refuse(self) -> None:
        """Reset every open connection and refuse new ones."""
        self._run(self._stop_listening())

    def heal(self) -> None:
        """Let everything pass again; what was dropped arrives late, as it does on a network."""
        self._run(self._heal())

    def __enter__(self) -> Self:
        self._thread.start()
        self.heal()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(timeout=10)

    async def _drop(self, answers_only: bool) -> None:
        self._to_client.clear()
        if not answers_only:
            self._to_server.clear()

    async def _heal(self) -> None:
        self._delay_s = 0.0
        self._to_server.set()
        self._to_client.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1000)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._accept)

    async def _cut(self) -> None:
        self._accept()  # who has connected is cut, too
        self._cuts += 1
        for writer in self._clients | self._servers:
            _reset(writer)

    async def _half_close(self) -> None:
        for writer in self._clients:
            writer.write_eof()

    async def _stop_listening(self) -> None:
        await self._cut()
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _close(self) -> None:
        await self._heal()  # whoever waits for a fault to end ends with its connection instead
        await self._stop_listening()
        await asyncio.gather(*self._tasks)
        for transport in self._transports:
            transport.abort()  # who closes with bytes to send waits for a client that may not read
        await asyncio.sleep(_CLOSED_WITHIN_S)  # transports close in a later turn of the loop

    def _accept(self) -> None:
        """Take the connections that wait. asyncio's own server loses some when it is closed."""
        while self._listener is not None:
            try:
                taken, _ = self._listener.accept()
            except BlockingIOError:
                return
            self.connections += 1
            task = self._loop.create_task(self._carry(taken, self._cuts))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, taken: socket.socket, cuts: int) -> None:
        reader, client = await asyncio.open_connection(sock=taken)
        self._clients.add(client)
        self._transports.add(client.transport)
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._servers.add(server)
            self._transports.add(server.transport)
            try:
                if cuts != self._cuts:  # cut since it was taken
                    _reset(client)
                    _reset(server)
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(reader, server, self._to_server))
                    pumps.create_task(self._pump(from_server, client, self._to_client))
            finally:
                self._servers.discard(server)
                server.close()
        except (OSError, ExceptionGroup):
            pass  # the server is away, or one end has broken off: so does the other
        finally:
            client.close()
            self._clients.discard(client)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: asyncio.Event
    ) -> None:
        while True:
            await may_pass.wait()
            data = await reader.read(_CHUNK_BYTES)
            await asyncio.sleep(self._delay_s)
            await may_pass.wait()
            if not data:
                break
            if may_pass is self._to_server:
                self.bytes_to_server += len(data)
            else:
                self.bytes_to_client += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as if the machine at this end had forgotten it."""
    with contextlib.suppress(OSError):
        found: socket.socket = writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
