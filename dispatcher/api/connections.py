"""One client's connection: uvicorn's protocol, with deadlines and limits that it has none of.

What is refused here is answered in the same form as everywhere, through the same machinery, in
its turn behind the answers to earlier requests of the connection. Malformed requests are not
logged: anybody could fill the disk with them.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dispatcher.api.asgi import Receive, Scope, Send
from dispatcher.api.bodies import FAILURE_KEY
from dispatcher.api.crowd import Crowd
from dispatcher.api.heads import find_fault, head_too_large, without_upgrade
from dispatcher.api.patience import Limits, Phase, Progress, Verdict, judge
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
        self.progress = Progress(since=self.loop.time())
        self.body_bytes = 0
        """Of the current body."""
        self._requests = 0
        self._check: asyncio.TimerHandle | None = None
        self._refusal: RequestError | None = None
        self._is_deaf = False
        """Whether what still comes is thrown away."""
        self._thrown_away_bytes = 0
        self._head_bytes = 0
        self._framing_bytes = 0
        self._is_in_body = False
        self._is_body_new = False
        self._is_upgrade = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many already."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._check_later()
        self._make_room()

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
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            self._feed_without_upgrade(data[exc.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or BadRequestError())
        if was_in_body and self._is_in_body:
            self._count_framing(len(data) - (self.body_bytes - body_bytes))
        else:
            self._enter_phase(has_asked_now=requests != self._requests)

    def _enter_phase(self, *, has_asked_now: bool) -> None:
        """Take note of what is expected next."""
        progress = self.progress
        if self._is_in_body:
            progress.begin(Phase.BODY, self.loop.time())
            if self._is_body_new and self.limits.reads_body_on_demand and not self._is_deaf:
                self.flow.pause_reading()  # the rest stays in the socket until somebody asks
            self._is_body_new = False
        elif self.scope is not None and "method" not in self.scope:  # begun, and not complete
            if progress.phase is not Phase.HEAD or has_asked_now:
                progress.begin(Phase.HEAD, self.loop.time())
            if self._head_bytes > self.limits.max_head_bytes and not self._is_deaf:
                self._refuse(self._too_large())
        elif has_asked_now:
            progress.begin(Phase.IDLE, self.loop.time())

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

    # The parser's callbacks: each costs every request, so those of uvicorn that are short are
    # written out again and not called.

    def on_headers_complete(self) -> None:
        """Have the request answered, unless its head is refused."""
        self._refusal = find_fault(
            self.parser.get_http_version(),
            self.url,
            self.headers,
            self.limits,
            may_be_large=self._head_bytes > self.limits.max_head_bytes,
        )
        self._is_upgrade = self.parser.should_upgrade()
        if self._is_upgrade and self.parser.get_method() == b"CONNECT":
            self._refusal = BadRequestError("No tunnel leads through here.")
        if len(self.pipeline) >= self.limits.max_pipelined:
            self._refusal = BadRequestError("Too many requests wait for their answers.")
        if self._refusal is not None:
            raise self._refusal  # the parser stops, and data_received answers
        if self._is_upgrade:
            return  # it is read once more, without the wish
        super().on_headers_complete()
        self.body_bytes = self._framing_bytes = 0
        self._is_in_body = self._is_body_new = True

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

    def _check_later(self) -> None:
        self._check = self.loop.call_later(self.limits.check_every_s, self._check_now)

    def _check_now(self) -> None:
        self.progress.body_bytes = self.body_bytes
        verdict = judge(
            self.progress,
            self.loop.time(),
            self.limits,
            is_answering=self._is_answering() or self._is_deaf,
            is_read=not self.flow.read_paused,
            unsent_bytes=self.transport.get_write_buffer_size(),
        )
        self._check_later()
        if verdict is Verdict.BREAK_OFF:
            self.transport.abort()
        elif self._is_deaf or verdict is Verdict.KEEP:
            return
        elif verdict is Verdict.CLOSE:
            self.transport.close()
        else:
            self._refuse(RequestTimeoutError())

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _refuse(self, error: RequestError) -> None:
        """Answer with a problem and end; what still comes is thrown away."""
        self._is_deaf = True
        if not self._is_in_body:
            self._answer_next(error)
        elif self._is_answering():
            # Whoever reads the body is told, and answers.
            self.cycle.scope[FAILURE_KEY] = error  # type: ignore[typeddict-unknown-key] # ours
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        else:
            self.transport.close()
        self.flow.resume_reading()

    def _answer_next(self, error: RequestError) -> None:
        """Put a refusal where the next request's answer would be."""
        waits = self._is_answering()
        scope: Any = {"type": "http", "method": "GET", "path": "", "headers": []}
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        answer: Any = partial(self._send_refusal, error)
        if waits:
            self.pipeline.appendleft((self.cycle, answer))
        else:
            self._unset_keepalive_if_required()
            self._start_asgi_task(self.cycle, answer)

    async def _send_refusal(
        self, error: RequestError, _: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer, then wait a moment until the client falls silent: a reset eats the answer."""
        response = request_problem(error)
        response.headers["Connection"] = "close"
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
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
        if self._framing_bytes > _FRAMING_BYTES + self.body_bytes:
            self._refuse(BadRequestError("The chunks of the body are too small."))

    def _too_large(self) -> RequestError:
        is_in_url = not self.headers and len(self.url) > self.limits.max_url_bytes
        return UriTooLongError() if is_in_url else head_too_large(self.limits)

    def _make_room(self) -> None:
        others = (c for c in self.connections if isinstance(c, Connection) and c is not self)
        if not self.crowd.make_room(others, count=len(self.connections)):
            self._refuse(OverloadedError("Too many connections.", retry_after_s=1))

    def is_quiet(self) -> bool:
        """Say whether nobody would miss this connection."""
        is_waiting = not self._is_in_body and not self._is_answering()
        return is_waiting and not self.transport.is_closing()

    def quiet_since(self) -> float:
        """Return when it has sent or was sent something for the last time."""
        return self.progress.since

    def leave(self) -> None:
        """End it at once."""
        self.transport.abort()


def connection_class(limits: Limits) -> type[Connection]:
    """Return the protocol of a server with these limits."""
    crowd = Crowd(limits.max_connections, clock=time.monotonic)
    return type("LimitedConnection", (Connection,), {"limits": limits, "crowd": crowd})
