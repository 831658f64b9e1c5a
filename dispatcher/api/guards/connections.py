"""One client's connection: uvicorn's protocol, with deadlines and limits that it has none of.

What is refused here is answered in the same form as everywhere, through the same machinery, in
its turn behind the answers to earlier requests of the connection. Malformed requests are not
logged: anybody could fill the disk with them.

The callbacks of the parser cost every request. So they only take note of what happens, and a look
once a second decides whether that was too slow.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dispatcher.api.asgi import Receive, Scope, Send
from dispatcher.api.guards.bodies import FAILURE_KEY
from dispatcher.api.guards.crowd import Crowd
from dispatcher.api.guards.heads import find_fault, head_too_large, length_of_head, without_upgrade
from dispatcher.api.guards.patience import Limits, Phase, Progress, Verdict, judge
from dispatcher.api.problems import request_problem
from dispatcher.errors import (
    BadRequestError,
    OverloadedError,
    RequestError,
    RequestTimeoutError,
    UriTooLongError,
)

_LINGER_S: Final = 2.0
_QUIET_S: Final = 0.1
"""A refused client that has sent nothing for so long has seen the answer, or never will."""
_FRAMING_BYTES: Final = 64 * 1024
"""What the chunks of a body may cost beyond as much as they carry."""
_UNWANTED_BYTES: Final = 1024 * 1024
"""Most that is read of a body behind its answer; a connection is not worth more."""


class Connection(HttpToolsProtocol):
    """A connection that is not waited for without end."""

    limits = Limits()
    crowd = Crowd(Limits().max_connections, clock=time.monotonic)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.access_log = False  # a line for each request, with its query, is no use to anybody
        self.body_bytes = 0
        """Of the current body."""
        self._progress = Progress(since=self.loop.time())
        self._requests = 0
        self._check: asyncio.TimerHandle | None = None
        self._refusal: RequestError | None = None
        self._is_deaf = False
        """Whether what still comes is thrown away."""
        self._thrown_away_bytes = 0
        self._head_bytes = 0
        self._framing_bytes = 0
        self._is_in_body = False
        self._is_upgrade = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many already."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._check_later()
        others = (c for c in self.connections if isinstance(c, Connection) and c is not self)
        if not self.crowd.make_room(others, count=len(self.connections)):
            self._refuse(OverloadedError("Too many connections.", retry_after_s=1))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""
        if self._is_deaf:
            self._thrown_away_bytes += len(data)
            return
        self._unset_keepalive_if_required()
        was_in_body, body_bytes, requests = self._is_in_body, self.body_bytes, self._requests
        if not was_in_body:
            size = len(data)
            is_small = size <= self.limits.max_head_bytes
            self._head_bytes += size if is_small else length_of_head(data, self.limits)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            self._feed_without_upgrade(data[exc.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or BadRequestError())
        if was_in_body:
            framing_bytes = len(data) - (self.body_bytes - body_bytes)
            if framing_bytes and requests == self._requests:
                self._count_framing(framing_bytes)
        elif self._is_in_body:
            if self.limits.reads_body_on_demand:
                self.flow.pause_reading()  # the rest stays in the socket until somebody asks
        elif self._head_bytes > self.limits.max_head_bytes:
            self._refuse(self._too_large())

    def _feed_without_upgrade(self, rest: bytes) -> None:
        """Serve a request that wishes for another protocol as any other: some clients always do.

        The parser takes what follows for that protocol; so the head is read once more.
        """
        while True:
            method, version = self.parser.get_method(), self.parser.get_http_version()
            data = without_upgrade(method, self.url, version, self.headers) + rest
            self.parser = httptools.HttpRequestParser(self)
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as exc:
                rest = data[exc.args[0] :]
            except httptools.HttpParserError:
                self._refuse(self._refusal or BadRequestError())
                return
            else:
                return

    # The parser's callbacks, in place of uvicorn's.

    def on_headers_complete(self) -> None:
        """Have the request answered, unless its head is refused."""
        parser = self.parser
        scope: Any = self.scope
        version, method = parser.get_http_version(), parser.get_method()
        self._refusal = find_fault(
            version, self.url, self.headers, self.limits, size_bytes=self._head_bytes
        )
        self._is_upgrade = parser.should_upgrade()
        if self._is_upgrade and method == b"CONNECT":
            self._refusal = BadRequestError("No tunnel leads through here.")
        if len(self.pipeline) >= self.limits.max_pipelined:
            self._refusal = BadRequestError("Too many requests wait for their answers.")
        if self._refusal is not None:
            raise self._refusal  # the parser stops, and data_received answers
        if self._is_upgrade:
            return  # it is read once more, without the wish
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["method"] = method.decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        self._is_in_body = True
        self.body_bytes = self._framing_bytes = 0
        is_kept = version != "1.0" and parser.should_keep_alive()
        self._serve(self._new_cycle(scope, keep_alive=is_kept), self.app)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        cycle = self.cycle
        self.body_bytes += len(body)
        if cycle.response_complete:
            if self.body_bytes > _UNWANTED_BYTES:
                self.transport.close()
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End a request; the next one may follow."""
        if self._is_upgrade:
            return
        self._head_bytes = 0
        self._is_in_body = False
        self._requests += 1
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def _serve(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Have a request answered, at once or in its turn."""
        is_first = not self.is_answering()
        self.cycle = cycle
        if is_first:
            self._unset_keepalive_if_required()
            self._start_asgi_task(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def _new_cycle(self, scope: Any, *, keep_alive: bool) -> RequestResponseCycle:
        return RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )

    def _check_later(self) -> None:
        self._check = self.loop.call_later(self.limits.check_every_s, self._check_now)

    def _check_now(self) -> None:
        self._check_later()
        now = self.loop.time()
        self._progress.note(self._phase(), now, requests=self._requests, body_bytes=self.body_bytes)
        verdict = judge(
            self._progress,
            now,
            self.limits,
            is_answering=self.is_answering() or self._is_deaf,
            is_read=not self.flow.read_paused,
            unsent_bytes=self.transport.get_write_buffer_size(),
        )
        if verdict is Verdict.BREAK_OFF:
            self.transport.abort()
        elif self._is_deaf or verdict is Verdict.KEEP:
            return
        elif verdict is Verdict.CLOSE:
            self.transport.close()
        else:
            self._refuse(RequestTimeoutError())

    def _phase(self) -> Phase:
        if self._is_in_body:
            return Phase.BODY
        scope: Any = self.scope  # None before the first request, and without a method in its head
        return Phase.IDLE if scope is None or "method" in scope else Phase.HEAD

    def is_answering(self) -> bool:
        """Say whether a request is being worked on."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def is_new(self) -> bool:
        """Say whether its first request has yet to come."""
        is_begun = self._requests > 0 or self._is_in_body or self.is_answering()
        return not (is_begun or self._is_deaf or self.transport.is_closing())

    def is_quiet(self) -> bool:
        """Say whether nobody would miss this connection."""
        return not (self._is_in_body or self.is_answering() or self.transport.is_closing())

    def quiet_since(self) -> float:
        """Return when it was last seen to do anything."""
        return self._progress.since

    def leave(self) -> None:
        """End it at once."""
        self.transport.abort()

    def _refuse(self, error: RequestError) -> None:
        """Answer with a problem and end; what still comes is thrown away."""
        self._is_deaf = True
        if not self._is_in_body:
            cycle = self._new_cycle({"type": "http", "method": "GET"}, keep_alive=False)
            self._serve(cycle, partial(self._send_refusal, error))
        elif self.is_answering():
            # Whoever reads the body is told, and answers.
            cast(Scope, self.cycle.scope)[FAILURE_KEY] = error
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        else:
            self.transport.close()
        self.flow.resume_reading()

    async def _send_refusal(
        self, error: RequestError, _: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer, then wait a moment until the client falls silent: a reset eats the answer."""
        response = request_problem(error)
        response.headers["Connection"] = "close"
        start = {"status": response.status_code, "headers": response.raw_headers}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        ends_at = self.loop.time() + _LINGER_S
        heard_bytes = -1
        while heard_bytes != self._thrown_away_bytes and self.loop.time() < ends_at:
            heard_bytes = self._thrown_away_bytes
            try:
                async with asyncio.timeout(_QUIET_S):
                    await receive()  # returns when the client has left
                    break
            except TimeoutError:
                continue
        await send({"type": "http.response.body", "body": b""})

    def _count_framing(self, size_bytes: int) -> None:
        """Refuse a body whose chunks say more about themselves than they carry."""
        self._framing_bytes += size_bytes
        if self._framing_bytes > _FRAMING_BYTES + self.body_bytes and not self._is_deaf:
            self._refuse(BadRequestError("The chunks of the body are too small."))

    def _too_large(self) -> RequestError:
        is_in_url = not self.headers and len(self.url) > self.limits.max_url_bytes
        return UriTooLongError() if is_in_url else head_too_large(self.limits)


def connection_class(limits: Limits) -> type[Connection]:
    """Return the protocol of a server with these limits."""
    crowd = Crowd(limits.max_connections, clock=time.monotonic)
    return type("LimitedConnection", (Connection,), {"limits": limits, "crowd": crowd})
