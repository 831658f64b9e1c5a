"""An HTTP proxy that makes an S3 server refuse, fall silent or answer with the wrong bytes."""

import enum
import http.client
import threading
from collections.abc import Collection
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

_UPSTREAM_TIMEOUT_S: Final = 30.0
_XML: Final = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code></Error>'


class Fault(enum.Enum):
    """What becomes of a request."""

    SLOW_DOWN = (503, "SlowDown")
    """Refused: too many requests."""
    INTERNAL = (500, "InternalError")
    """Refused for no reason."""
    EXPIRED = (403, "ExpiredToken")
    """Refused: the credentials were good once."""
    SILENT = "silent"
    """Not carried out and not answered until the fault is over; then the connection is closed."""
    LOST_ANSWER = "lost answer"
    """Carried out, and the connection closed instead of an answer."""
    ALTERED = "altered"
    """Answered with one other byte in the middle."""
    TRUNCATED = "truncated"
    """Answered with half of the body."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked, whatever became of it."""

    method: str
    path: str
    """With its query."""


class S3Faults:
    """Stands before an S3 server, in threads of its own; use it as a context manager."""

    def __init__(self, target_port: int) -> None:
        """Prepare a proxy.

        Args:
            target_port: where the server listens on this machine.
        """
        self.requests: list[Request] = []
        """All that were made, in order."""
        self.over = threading.Event()
        """Set when a silence ends."""
        self.target_port = target_port
        self._fault: Fault | None = None
        self._methods: Collection[str] = ()
        self._times = 0
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._serve, name="s3-faults")

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.server_port
        return port

    def fail(
        self, fault: Fault, *, methods: Collection[str] = (), times: int = 1_000_000_000
    ) -> None:
        """Let requests fail from now on.

        Args:
            fault: how.
            methods: only these; empty for all.
            times: so many; then everything passes again.
        """
        with self._lock:
            self._fault, self._methods, self._times = fault, methods, times
            self.over.clear()

    def heal(self) -> None:
        """Let everything pass again; close the connections of those that wait for an answer."""
        with self._lock:
            self._fault = None
            self.over.set()

    def take(self, request: Request) -> Fault | None:
        """Note a request and say what becomes of it."""
        with self._lock:
            self.requests.append(request)
            if self._times < 1 or (self._methods and request.method not in self._methods):
                return None
            self._times -= 1
            return self._fault

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.heal()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client may keep its connection for longer than the test runs

    def __init__(self, faults: S3Faults) -> None:
        self.faults = faults
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: that a client breaks off is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do(self) -> None:
        """Carry one request, or fail it."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        fault = self.server.faults.take(Request(self.command, self.path))
        if fault is Fault.SILENT:
            self.server.faults.over.wait()
            self.close_connection = True
        elif fault is not None and isinstance(fault.value, tuple):
            status, code = fault.value
            self._answer(status, {"Content-Type": "application/xml"}, _XML.format(code).encode())
        else:
            self._carry(body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _carry(self, body: bytes, fault: Fault | None) -> None:
        upstream = http.client.HTTPConnection(
            "127.0.0.1", self.server.faults.target_port, timeout=_UPSTREAM_TIMEOUT_S
        )
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        finally:
            upstream.close()
        if fault is Fault.LOST_ANSWER:
            self.close_connection = True
            return
        if fault is Fault.ALTERED and data:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        headers = dict(answer.getheaders())
        self._answer(answer.status, headers, data, is_whole=fault is not Fault.TRUNCATED)

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, *, is_whole: bool = True
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        # Of an object that was only asked for by HEAD, the length is in the answer's own header.
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if is_whole else data[: len(data) // 2])
        self.close_connection = self.close_connection or not is_whole
