"""A job's life as server-sent events: ``GET /result/<id>/events``.

::

    id: 1  event: queued        id: 2  event: processing        id: 3  event: completed | …

The numbers belong to the states, and the events are derived from the job's record: so a client
that comes back with ``Last-Event-ID`` goes on where it was, after a restart of the service, too.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from starlette.routing import Route

from dispatcher.api.asgi import Receive, Scope, Send, encode_json, read_query, tenant_of
from dispatcher.api.documents import iso, result
from dispatcher.api.records import RecordView
from dispatcher.errors import OverloadedError, RequestError
from dispatcher.jobs import Job, JobState
from dispatcher.results.base import ResultStore

EVENTS_MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
"""How often a comment is sent while nothing happens, so that nothing in between hangs up."""
RETRY_MS: Final = 2000
"""How long a client shall wait before it connects again."""
MAX_STREAMS: Final = 2000
"""Most streams that are open at the same time."""
_RETRY_AFTER_S: Final = 5
_QUEUED, _PROCESSING, _ENDED = 1, 2, 3
_HEADERS: Final = [
    (b"content-type", EVENTS_MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects would deliver all of it at the end
]


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a job's state."""

    number: int
    state: JobState
    data: bytes
    """JSON on one line."""

    def encode(self) -> bytes:
        """Return the event as it is sent."""
        head = f"id: {self.number}\nevent: {self.state.value}\ndata: ".encode()
        return head + self.data + b"\n\n"


def events_of(job: Job) -> list[Event]:
    """Return what has happened to a job so far; one from the cache has only ended."""
    events = []
    if not job.from_cache:
        events.append(_step(job, _QUEUED, JobState.QUEUED, job.queued_at))
        if job.started_at is not None:
            events.append(_step(job, _PROCESSING, JobState.PROCESSING, job.started_at))
    if job.state.is_terminal:
        document = encode_json(result(job, position=None, drain_rate=0.0))
        events.append(Event(_ENDED, job.state, document))
    return events


def event_routes(events: "EventsEndpoint") -> list[Route]:
    """Return the routes of this resource."""
    return [Route("/result/{request_id}/events", events, methods=["GET"])]


class EventsEndpoint:
    """``GET /result/<id>/events``: one event for each state, until the job has ended."""

    def __init__(self, results: ResultStore, *, ending: asyncio.Event) -> None:
        """Serve the jobs of a store.

        Args:
            results: the store.
            ending: set when the service ends, and all streams with it.
        """
        self._results = results
        self._records = RecordView(results)
        self._ending = ending
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            RequestError: there is no such job for this caller, or there are too many streams.
        """
        read_query(scope, allowed=frozenset())
        job_id = scope["path_params"]["request_id"]
        job = await self._records.job(job_id, tenant=tenant_of(scope))
        seen = _last_seen(scope["headers"])
        if seen >= _ENDED and job.state.is_terminal:
            # What tells an EventSource that there is nothing to come back for.
            await _send_whole(send, 204)
        elif scope["method"] == "HEAD":
            await _send_whole(send, 200)
        elif self._open >= MAX_STREAMS:
            raise OverloadedError(
                "Too many event streams are open; GET /result/<id> answers all the same.",
                retry_after_s=_RETRY_AFTER_S,
            )
        else:
            self._open += 1
            try:
                await self._serve(job, seen, receive, send)
            finally:
                self._open -= 1

    async def _serve(self, job: Job, seen: int, receive: Receive, send: Send) -> None:
        """Stream until the job has ended, the client has left, or the service ends."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        streaming = asyncio.create_task(self._stream(job, seen, send))
        leaving = asyncio.create_task(_wait_until_gone(receive))
        ending = asyncio.create_task(self._ending.wait())
        tasks = (streaming, leaving, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_cut = not streaming.done()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not is_cut:
            await streaming  # raises why it broke
        if not leaving.done() or leaving.cancelled():
            await send({"type": "http.response.body", "body": b""})

    async def _stream(self, job: Job, seen: int, send: Send) -> None:
        await _send_part(send, f"retry: {RETRY_MS}\n\n".encode())
        while True:
            for event in events_of(job):
                if event.number > seen:
                    await _send_part(send, event.encode())
                    seen = event.number
            if job.state.is_terminal:
                return
            known = job.state
            try:
                job = await self._results.changed(job.id, since=known, timeout_s=HEARTBEAT_S)
            except RequestError:
                return  # it was never accepted after all, or is gone: the next call will tell
            if self._ending.is_set():
                return  # the store makes nobody wait any more
            if job.state is known:
                await _send_part(send, b": still here\n\n")


def _step(job: Job, number: int, state: JobState, moment: float) -> Event:
    document: dict[str, Any] = {"request_id": job.id, "status": state.value, "at": iso(moment)}
    return Event(number, state, encode_json(document))


def _last_seen(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the number of the last event that a client has; 0 for none, or none of ours."""
    for name, value in headers:
        if name == b"last-event-id" and value in (b"1", b"2", b"3"):
            return int(value)
    return 0


async def _send_whole(send: Send, status: int) -> None:
    headers = _HEADERS if status != 204 else [(b"cache-control", b"no-store")]  # noqa: PLR2004
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _send_part(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _wait_until_gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
