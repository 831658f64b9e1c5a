"""The HTTP client: one request at a time for one answer, never a redirect, never a retry."""

import asyncio
import errno
import logging
import os
import resource
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from load_tester.errors import BrokenError, FailedError, UnreachableError

# Shorter than the five seconds after which common servers close an idle connection, so that an
# upload is not sent into one that is just being closed.
KEEPALIVE_S = 3.0
HEALTH_TIMEOUT_S = 5.0
# No answer is longer; a service that sends more is not let fill the memory.
MAX_ANSWER_BYTES = 64 * 2**20
# Larger bodies are written piece by piece, so that they hold up no other send.
_PIECE_BYTES = 128 * 1024
_SHORTAGES = {
    errno.EMFILE: "no_file_descriptor",
    errno.ENFILE: "no_file_descriptor",
    errno.EADDRNOTAVAIL: "no_local_port",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; the names of its headers are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Speaks to one service at `url`, which has no slash at its end."""

    def __init__(self, session: aiohttp.ClientSession, *, url: str) -> None:
        self._session = session
        self._url = url
        self._is_down = False

    def address(self, path: str) -> URL:
        """Return the address of a path that is already encoded."""
        return URL(f"{self._url}{path}", encoded=True)

    async def check_reachable(self, path: str) -> None:
        """Return when anything answers at the path; raises UnreachableError with the cause."""
        limit = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT_S)
        try:
            async with self._session.get(self.address(path), timeout=limit, allow_redirects=False):
                return
        except (aiohttp.ClientError, OSError, ValueError) as exc:  # ValueError: no such host name
            raise UnreachableError(
                f"service unreachable at {self._url}: {_name_cause(exc)}"
            ) from exc

    async def post(self, address: URL, *, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a body; raises BrokenError when the connection broke before an answer came."""
        data = body if len(body) <= _PIECE_BYTES else _Pieces(body)
        return await self._exchange("POST", address, data=data, headers=headers)

    async def get(self, address: URL) -> Reply:
        """Ask for something; raises BrokenError when the connection broke before it came."""
        return await self._exchange("GET", address)

    async def _exchange(
        self,
        method: str,
        address: URL,
        *,
        data: bytes | Payload | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        try:
            async with self._session.request(
                method, address, data=data, headers=headers, allow_redirects=False
            ) as response:
                body = await _read_body(response)
        except (aiohttp.ClientError, OSError) as exc:
            self._note_down(exc)
            shortage = name_shortage(exc)
            raise (BrokenError() if shortage is None else FailedError(shortage)) from exc
        self._is_down = False
        return Reply(response.status, response.headers, body)

    def _note_down(self, cause: Exception) -> None:
        """Say once that nobody listens any more; each image is counted by itself."""
        if isinstance(cause, aiohttp.ClientConnectorError) and not self._is_down:
            self._is_down = True
            log.warning("%s does not answer any more: %s", self._url, _name_cause(cause))


@asynccontextmanager
async def open_session(*, api_key: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session whose number of connections is limited by the machine alone.

    Deadlines are the caller's: the session itself never gives up. A GET on a connection that was
    kept open is sent once more when the server closed it before any answer, as RFC 9112 section
    9.3.1 allows; an upload never is.
    """
    raise_file_limit()
    headers = {"User-Agent": "conveyor-load-tester", "Accept-Encoding": "identity"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=None)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield session


def raise_file_limit() -> None:
    """Allow as many open connections as the system permits: each waiting image holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems name a limit that they do not grant.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Pieces(Payload):
    """A large body, written in pieces from the memory that all sends of it share."""

    _value: bytes

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text, as every payload can."""
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write piece by piece, as fast as the connection takes them."""
        whole = memoryview(self._value)
        for start in range(0, len(whole), _PIECE_BYTES):
            await writer.write(whole[start : start + _PIECE_BYTES])
            # A connection that takes everything would otherwise never let the others on.
            await asyncio.sleep(0)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body; raises FailedError when it is longer than any answer may be."""
    if response.content_length is not None and response.content_length <= MAX_ANSWER_BYTES:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise FailedError("answer_too_long")
    return bytes(body)


def name_shortage(exc: Exception) -> str | None:
    """Return what this machine had none left of, as the verdict calls it; None for the service's.

    Such an image failed by the load tester's fault.
    """
    return _SHORTAGES.get(exc.errno or 0) if isinstance(exc, OSError) else None


def _name_cause(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {HEALTH_TIMEOUT_S:g} s"
    if isinstance(exc, OSError) and exc.errno is not None and exc.errno > 0:
        return os.strerror(exc.errno)  # the exception's own text leaves out why
    # It may quote what was answered.
    text = " ".join(str(exc).split())
    return (text if text.isprintable() else ascii(text)) or type(exc).__name__
