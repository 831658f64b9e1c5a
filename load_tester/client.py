"""The HTTP client: one upload or one look at a result at a time, never a retry."""

import io
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from load_tester.answers import Ticket, read_ticket
from load_tester.errors import BrokenError, UnreachableError
from load_tester.images import Upload

# Shorter than the five seconds after which common servers close an idle connection, so that an
# upload is not sent into one that is just being closed.
KEEPALIVE_S = 3.0
HEALTH_TIMEOUT_S = 5.0
# aiohttp writes larger bytes in one piece, which would hold up every other send.
_ONE_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a result: the status, the body, and the pause asked for in seconds (or 0)."""

    status: int
    body: bytes
    retry_after_s: float


class ServiceClient:
    """Speaks to one service; `uploads` counts every upload begun, whatever became of it."""

    def __init__(
        self, session: aiohttp.ClientSession, *, url: str, pipeline: str | None, use_cache: bool
    ) -> None:
        query = {} if pipeline is None else {"pipeline": pipeline}
        if not use_cache:
            query["cache"] = "false"
        self._session = session
        self._url = url
        self._submit_url = URL(
            f"{url}/predict_async" + (f"?{urlencode(query)}" if query else ""), encoded=True
        )
        self.uploads = 0

    async def check_reachable(self) -> None:
        """Return when anything answers at the URL; raises UnreachableError with the cause."""
        limit = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT_S)
        try:
            async with self._session.get(URL(f"{self._url}/health"), timeout=limit):
                return
        except (aiohttp.ClientError, OSError, ValueError) as exc:  # ValueError: no such host name
            cause = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
            raise UnreachableError(f"service unreachable at {self._url}: {cause}") from exc

    async def submit(self, upload: Upload) -> Ticket:
        """Send one image and return its ticket.

        Raises BrokenError, RefusedError, FailedError or WrongError when there is none.
        """
        self.uploads += 1
        body = upload.body if len(upload.body) <= _ONE_PIECE_BYTES else io.BytesIO(upload.body)
        try:
            async with self._session.post(
                self._submit_url, data=body, headers=upload.headers, allow_redirects=False
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, OSError) as exc:
            raise BrokenError from exc
        return read_ticket(response.status, answer)

    async def look(self, request_id: str, *, wait_s: int) -> Look:
        """Ask for a result, letting the service hold the answer up to `wait_s` seconds.

        Raises BrokenError when the connection broke before an answer came.
        """
        url = URL(f"{self._url}/result/{quote(request_id, safe='')}?wait={wait_s}", encoded=True)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as exc:
            raise BrokenError from exc
        retry_after = response.headers.get("Retry-After", "")
        return Look(
            status=response.status,
            body=body,
            retry_after_s=float(retry_after) if retry_after.isdecimal() else 0.0,
        )


@asynccontextmanager
async def open_client(
    url: str, *, pipeline: str | None, use_cache: bool
) -> AsyncIterator[ServiceClient]:
    """Open a client whose number of connections is limited by the machine alone.

    Deadlines are the caller's: the client itself never gives up.
    """
    _raise_file_limit()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        headers={"User-Agent": "conveyor-load-tester"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    ) as session:
        yield ServiceClient(session, url=url, pipeline=pipeline, use_cache=use_cache)


def _raise_file_limit() -> None:
    """Allow as many open connections as the system permits: each waiting image holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems name a limit that they do not grant.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
