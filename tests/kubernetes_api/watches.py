"""Watches: the stream of what happens to objects, and the ways in which one fails."""

import asyncio
import json
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Final

from aiohttp import web

from tests.kubernetes_api.kinds import Document, Target
from tests.kubernetes_api.refusals import Refusal, bad_request
from tests.kubernetes_api.selectors import Chooser, chooser
from tests.kubernetes_api.store import Change, Store

_DEFAULT_TIMEOUT_S: Final = 1800.0
_BOOKMARK_S: Final = 60.0


class _Ending(Enum):
    """Why a watch ends before its time."""

    CLEAN = auto()  # as the server does it now and then
    CUT = auto()  # the connection breaks


@dataclass(slots=True, eq=False)
class _Watch:
    """One open watch."""

    choose: Chooser
    is_silent: bool = False
    """Whether it says nothing any more, while its connection stays."""
    queue: "asyncio.Queue[Change | _Ending]" = field(default_factory=asyncio.Queue)


class Watches:
    """All open watches; lives in the server's loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: set[_Watch] = set()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def silence(self) -> None:
        """Have those that are open say nothing any more."""
        for watch in self._open:
            watch.is_silent = True

    def end(self) -> None:
        """End those that are open, as the server does when their time is over."""
        for watch in self._open:
            watch.queue.put_nowait(_Ending.CLEAN)

    def cut(self) -> None:
        """Break the connections of those that are open."""
        for watch in self._open:
            watch.queue.put_nowait(_Ending.CUT)

    async def serve(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a watch until it ends.

        Raises:
            Refusal: it cannot begin.
        """
        query = request.query
        choose = chooser(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        watch = _Watch(choose)
        loop = asyncio.get_running_loop()
        with self._store.lock:
            first = self._first_events(target, query.get("resourceVersion", ""), choose)
            unlisten = self._store.listen(partial(_hand_over, loop, watch))
        self._open.add(watch)
        try:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            for event in first:
                await _send(response, event)
            if not (first and first[-1]["type"] == "ERROR"):
                await self._follow(request, response, watch, target=target)
            return response
        finally:
            self._open.discard(watch)
            unlisten()

    def _first_events(self, target: Target, version: str, choose: Chooser) -> list[Document]:
        """Return what a watch says first: what has happened since a version, or all there is."""
        if version in ("", "0"):
            found = self._store.all(target.kind, target.namespace)
            return [{"type": "ADDED", "object": one} for one in found if choose(one)]
        if not version.isdigit():
            raise bad_request(f"Invalid value: {version!r}: resource version")
        try:
            changes = self._store.since(int(version))
        except Refusal as exc:
            # The stream begins as if all were well; its first event is the error.
            return [{"type": "ERROR", "object": exc.document()}]
        events = (_event(change, target, choose) for change in changes)
        return [event for event in events if event is not None]

    async def _follow(
        self, request: web.Request, response: web.StreamResponse, watch: _Watch, *, target: Target
    ) -> None:
        """Tell what happens, until the time is over or the watch is ended."""
        is_told = request.query.get("allowWatchBookmarks") in ("true", "True", "1")
        timeout_s = float(request.query.get("timeoutSeconds") or _DEFAULT_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        while watch.is_silent or loop.time() < ends_at:
            wait_s = _BOOKMARK_S if watch.is_silent else min(ends_at - loop.time(), _BOOKMARK_S)
            try:
                async with asyncio.timeout(wait_s):
                    happened = await watch.queue.get()
            except TimeoutError:
                if is_told and not watch.is_silent:
                    await _send(response, self._bookmark(target))
                continue
            if happened is _Ending.CUT and request.transport is not None:
                request.transport.abort()
            if not isinstance(happened, Change):
                return
            event = _event(happened, target, watch.choose)
            if event is not None and not watch.is_silent:
                await _send(response, event)

    def _bookmark(self, target: Target) -> Document:
        metadata = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        document = {
            "kind": target.kind.name,
            "apiVersion": target.kind.api_version,
            "metadata": metadata,
        }
        return {"type": "BOOKMARK", "object": document}


def _event(change: Change, target: Target, choose: Chooser) -> Document | None:
    """Return what a watch says of a change; None when it does not concern it."""
    if change.kind is not target.kind:
        return None
    namespace = change.document["metadata"].get("namespace", "")
    if target.namespace not in ("", namespace):
        return None
    was = change.before is not None and choose(change.before)
    is_now = change.after is not None and choose(change.after)
    if is_now:
        return {"type": "MODIFIED" if was else "ADDED", "object": change.document}
    return {"type": "DELETED", "object": change.document} if was else None


def _hand_over(loop: asyncio.AbstractEventLoop, watch: _Watch, change: Change) -> None:
    loop.call_soon_threadsafe(watch.queue.put_nowait, change)


async def _send(response: web.StreamResponse, event: Document) -> None:
    await response.write(json.dumps(event).encode() + b"\n")
