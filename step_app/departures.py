"""Notices that a client has gone, or takes back images, while their work is waited for."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's receive callable, of a request whose body was read."""
ResultT = TypeVar("ResultT")


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


async def while_connected(receive: Receive, work: "asyncio.Future[ResultT]") -> ResultT:
    """Return the result of some work; cancel it when the client goes away first.

    Raises:
        ClientGoneError: it has gone.
    """
    leaving = asyncio.ensure_future(_disconnected(receive))
    either: list[asyncio.Future[Any]] = [work, leaving]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientGoneError
        return work.result()
    finally:
        leaving.cancel()
        work.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class ImagesInWork:
    """The images of batches by id, so that a dispatcher can take single ones back."""

    def __init__(self) -> None:
        self._futures: defaultdict[str, set[asyncio.Future[Any]]] = defaultdict(set)

    @contextmanager
    def known(self, ids: Sequence[str], futures: Sequence["asyncio.Future[Any]"]) -> Iterator[None]:
        """Let images be taken back by these ids for the length of the block."""
        for item_id, future in zip(ids, futures, strict=True):
            self._futures[item_id].add(future)
        try:
            yield
        finally:
            for item_id, future in zip(ids, futures, strict=True):
                self._futures[item_id].discard(future)
                if not self._futures[item_id]:
                    del self._futures[item_id]

    def cancel(self, ids: Iterable[str]) -> int:
        """Take images back; return how many there were. Unknown ids have ended already."""
        futures = [future for item_id in ids for future in self._futures.get(item_id, ())]
        return sum(future.cancel() for future in futures)
