"""Connections to real servers, opened for a test and closed after it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dispatcher.servers.base import Server
from dispatcher.servers.objects import ObjectStore
from dispatcher.servers.redis_connection import RedisConnection
from tests.dispatcher.waiting import until

_EVERY_S: Final = 0.05
"""Between two looks: those who judge how slow a server is need a clock that is right."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisConnection]:
    """Open a connection to a Redis that is there."""
    connection = RedisConnection(url)
    await connection.start()
    await reached(connection)
    yield connection
    await connection.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[ObjectStore]:
    """Open a store that is there."""
    store = ObjectStore(url)
    await store.start()
    await reached(store)
    yield store
    await store.close()


async def reached(server: Server) -> None:
    """Wait until a server can be used."""
    await until(lambda: server.unready() is None, within_s=20, every_s=_EVERY_S)


async def given_up(server: Server, reason: str) -> None:
    """Wait until a server is not used any more, for that reason."""
    await until(lambda: reason in (server.unready() or ""), within_s=20, every_s=_EVERY_S)
