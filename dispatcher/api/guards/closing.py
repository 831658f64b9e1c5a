"""uvicorn's server, which ends here without failing a request that is under way.

A connection that is closed just when its client sends fails a request. So whoever is connected is
told with an answer that the connection ends, whoever has come by then is let in, and whoever was
let in has a moment for its request; only those who say nothing are cut off.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from dispatcher.api.guards.connections import Connection

_POLL_S: Final = 0.05
_LAST_ANSWERS_S: Final = 1.0
"""How long connections that are kept alive may take to learn that they end."""
_LAST_REQUESTS_S: Final = 0.3
"""How long a connection of the last moment is waited for in any case: it may be on its way."""
_FIRST_REQUEST_S: Final = 2.0
"""How long those who have connected may take to send their first request."""


class PoliteServer(uvicorn.Server):
    """Serves until ``should_exit``; signals are left to the caller, who drains before it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell those who are here, let nobody in any more, answer the last, then close all."""
        await _until(lambda: not self.server_state.connections, within_s=_LAST_ANSWERS_S)
        await self._close_listeners(sockets or [])
        began = time.monotonic()
        await asyncio.sleep(_LAST_REQUESTS_S)
        left_s = _FIRST_REQUEST_S - (time.monotonic() - began)
        await _until(lambda: not self._is_awaiting(), within_s=left_s)
        await super().shutdown(sockets)

    async def _close_listeners(self, listeners: Sequence[socket.socket]) -> None:
        """Close them behind those who are connected already: the system would reset these."""
        last = [connection for listener in listeners for connection in _waiting_at(listener)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in last:
            with suppress(OSError):  # it has left
                await loop.connect_accepted_socket(self._new_connection, connection)

    def _new_connection(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn does
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _is_awaiting(self) -> bool:
        """Say whether anybody has connected and not yet sent a request."""
        connections = self.server_state.connections
        return any(isinstance(one, Connection) and one.is_new() for one in connections)


def _waiting_at(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that the system has made and nobody has taken yet."""
    listener.setblocking(False)
    with suppress(OSError):  # there is none left
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


async def _until(condition: Callable[[], bool], *, within_s: float) -> None:
    ends_at = time.monotonic() + within_s
    while not condition() and time.monotonic() < ends_at:  # noqa: ASYNC110 - no event
        await asyncio.sleep(_POLL_S)
