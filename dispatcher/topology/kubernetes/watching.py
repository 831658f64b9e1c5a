"""List, then watch: what exists of one kind in one namespace, for as long as somebody wants it.

The way of client-go's reflector: a watch goes on from the version of the list before it. Watches
end, expire (410), or fall silent without a word, so everything is listed again when one does, and
once in a while in any case. What was seen last stays known through all failures.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NoReturn

import aiohttp
import msgspec

from dispatcher.topology.kubernetes.access import CALL_TIMEOUT_S, ClusterApi, ClusterError
from dispatcher.topology.kubernetes.kinds import Kind, Listed, Status, WatchLine
from dispatcher.topology.kubernetes.pace import Pace

_log = logging.getLogger(__name__)

Request = Callable[..., Awaitable[aiohttp.ClientResponse]]
"""A list method of an API group that leaves its answer unread."""

DENIED: Final = (401, 403)
"""Statuses that stay until somebody changes what this service may do."""
_PAGE_ITEMS: Final = 100
_MAX_PAGE_BYTES: Final = 64 * 1024 * 1024
_MAX_ITEMS: Final = 20_000
_STATUS: Final = msgspec.json.Decoder(Status)
_LINE: Final = msgspec.json.Decoder(WatchLine)


@dataclass(frozen=True, slots=True)
class Event(Generic[Kind]):
    """One change that a watch told of."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Kind


def apply(event: Event[Kind], known: Mapping[str, Kind]) -> Mapping[str, Kind]:
    """Return what is known after a change, by name; nothing is changed in place."""
    name = event.object.metadata.name
    if event.type == "DELETED":
        return {other: each for other, each in known.items() if other != name}
    return {**known, name: event.object}


class Watcher(Generic[Kind]):
    """Knows all objects of one kind in the cluster's namespace."""

    def __init__(
        self,
        cluster: ClusterApi,
        request: Request,
        kind: type[Kind],
        *,
        label_selector: str,
        on_change: Callable[[], None],
        pace: Pace,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare to watch.

        Args:
            cluster: with its namespace.
            request: the kind's list method.
            kind: what its objects are read as.
            label_selector: which of them.
            on_change: called whenever ``known`` or ``failure`` is another.
            pace: how often.
            jitter: from 0 to 1.
        """
        self._cluster = cluster
        self._request = request
        self._selector = label_selector
        self._on_change = on_change
        self._pace = pace
        self._jitter = jitter
        self._what = f"{kind.__name__}s of namespace {cluster.namespace}"
        self._object: msgspec.json.Decoder[Kind] = msgspec.json.Decoder(kind)
        self._page: msgspec.json.Decoder[Listed[Kind]] = msgspec.json.Decoder(
            Listed[kind]  # type: ignore[valid-type] # it is one at run time
        )
        self._heard_at = time.monotonic()
        self._said_at = -math.inf
        self._failures = 0
        self.known: Mapping[str, Kind] | None = None
        """All objects by name; None until they were listed for the first time."""
        self.failure: ClusterError | None = None
        """Why they cannot be seen at present; None while all is well."""

    def age_s(self) -> float:
        """Return how long ago the API server last said anything of these objects."""
        return time.monotonic() - self._heard_at

    async def run(self) -> NoReturn:
        """Keep ``known`` true until cancelled."""
        while True:
            started_at = time.monotonic()
            try:
                version = await self._list()
                await self._watch(version, until=started_at + self._pace.relist_s)
            except ClusterError as exc:
                if time.monotonic() - started_at > self._pace.settled_s and self.failure is None:
                    self._failures = 0
                self._failures += 1
                self._take_note(exc)
                await asyncio.sleep(
                    self._pace.retry_s(
                        self._failures, asked_s=exc.retry_after_s, chance=self._jitter()
                    )
                )
            else:
                self._failures = 0

    async def _list(self) -> str:
        """List everything, page by page; return the version from which to watch."""
        found: dict[str, Kind] = {}
        rest = version = ""
        try:
            while rest or not version:
                page = await self._list_page(rest)
                version = version or page.metadata.resource_version
                rest = page.metadata.continue_
                found.update((each.metadata.name, each) for each in page.items or ())
                if len(found) > _MAX_ITEMS:
                    raise ClusterError(f"there are more than {_MAX_ITEMS} of them")
        except ClusterError as exc:
            self.failure = exc
            self._on_change()
            raise
        self._heard_at = time.monotonic()
        if self.failure is not None:
            _log.warning("%s can be seen again", self._what)
            self.failure, self._said_at = None, -math.inf
        self._know(found)
        return version

    async def _list_page(self, rest: str) -> Listed[Kind]:
        more: dict[str, Any] = {"_continue": rest} if rest else {}
        answer = await self._cluster.open_stream(
            self._request,
            namespace=self._cluster.namespace,
            label_selector=self._selector,
            limit=_PAGE_ITEMS,
            timeout_s=CALL_TIMEOUT_S,
            **more,
        )
        try:
            page = self._page.decode(await _read_all(answer))
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise ClusterError(f"the list cannot be read: {exc}") from exc
        finally:
            answer.close()
        if not page.metadata.resource_version:
            raise ClusterError("the list has no version")
        return page

    async def _watch(self, version: str, *, until: float) -> None:
        """Follow changes until it is time to list again.

        Raises:
            ClusterError: the watch ended before that.
        """
        left_s = max(1.0, until - time.monotonic())
        answer = await self._open_watch(version, left_s=left_s)
        try:
            async with asyncio.timeout(left_s):
                while line := await answer.content.readline():
                    self._take_line(line)
                    # Lines that came together are there without waiting; others get their turn.
                    await asyncio.sleep(0)
        except TimeoutError:
            return
        except ClusterError:
            raise
        except (aiohttp.ClientError, OSError) as exc:
            raise ClusterError(f"the watch broke: {exc}") from exc
        except (ValueError, msgspec.MsgspecError) as exc:  # too long, or no line of a watch
            raise ClusterError(f"the watch cannot be read: {exc}") from exc
        finally:
            answer.close()
        if time.monotonic() < until - 1:
            raise ClusterError("the watch ended")

    async def _open_watch(self, version: str, *, left_s: float) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await self._cluster.open_stream(
                    self._request,
                    namespace=self._cluster.namespace,
                    label_selector=self._selector,
                    watch=True,
                    allow_watch_bookmarks=True,
                    resource_version=version,
                    timeout_seconds=math.ceil(left_s),
                    timeout_s=left_s + CALL_TIMEOUT_S,
                )
        except TimeoutError as exc:
            raise ClusterError("the watch does not begin") from exc

    def _take_line(self, line: bytes) -> None:
        event = _LINE.decode(line)
        if event.type == "ERROR":
            said = _STATUS.decode(event.object)
            raise ClusterError(said.message or said.reason, status=said.code, reason=said.reason)
        self._heard_at = time.monotonic()
        if event.type != "BOOKMARK":
            changed = Event(event.type, self._object.decode(event.object))
            self._know(apply(changed, self.known or {}))

    def _know(self, objects: Mapping[str, Kind]) -> None:
        if objects != self.known:
            self.known = objects
            self._on_change()

    def _take_note(self, error: ClusterError) -> None:
        """Say loudly what keeps from seeing, again and again; a watch that ends is nothing."""
        is_denied = error.status in DENIED
        if self.failure is None and not is_denied:
            _log.info("%s are listed again: %s", self._what, error)
        elif time.monotonic() - self._said_at >= self._pace.complain_s:
            self._said_at = time.monotonic()
            kept = (
                f"; what was seen {self.age_s():.0f} s ago is kept"
                if self.known is not None
                else ""
            )
            level = logging.ERROR if is_denied else logging.WARNING
            _log.log(level, "%s cannot be seen%s: %s", self._what, kept, error)


async def _read_all(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    try:
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > _MAX_PAGE_BYTES:
                raise ClusterError(f"a list has more than {_MAX_PAGE_BYTES} bytes")
    except TimeoutError as exc:
        raise ClusterError("the list does not end") from exc
    except aiohttp.ClientError as exc:
        raise ClusterError(f"the list broke off: {exc}") from exc
    return bytes(body)
