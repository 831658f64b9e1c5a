"""HTTP to the receivers of webhooks, who may be anybody: the only place that calls strangers.

A name is resolved once for each call, every address that it leads to must be allowed, and the
connection goes to one of exactly these; ``Host`` and SNI stay those of the URL. Redirects are not
followed, proxies and password files of the environment not used, and no more of an answer is read
than its status needs.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dispatcher.delivery.addresses import is_allowed
from dispatcher.delivery.callback_url import CallbackPolicy, CallbackUrl
from dispatcher.delivery.schedule import read_retry_after
from dispatcher.delivery.signing import Signer
from step_app.contract.trace_context import TraceContext

TIMEOUT_S: Final = 15.0
_CONNECT_TIMEOUT_S: Final = 5.0
_MAX_ANSWER_BYTES: Final = 4096
_RESOLVER_THREADS: Final = 32
"""Names that are looked up at the same time; a lookup cannot be broken off."""

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a name, or raises OSError."""
AddressInfo = tuple[int, int, int, str, tuple[str | int | bytes, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call."""

    status: int | None
    """Of HTTP; None when there was no answer."""
    reason: str
    """For the log: nothing that the receiver wrote."""
    retry_after_s: float | None = None


class WebhookClient:
    """Calls receivers; one instance serves all of them."""

    def __init__(
        self,
        *,
        load_signer: Callable[[], Signer],
        policy: CallbackPolicy,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Prepare a client.

        Args:
            load_signer: called once, at the start.
            policy: what the operator allows.
            resolve: how names are looked up; the system's way unless told.
            tls: whom to trust; the system's authorities unless told.
            timeout_s: how long one call may take, everything included.
        """
        self._load_signer = load_signer
        self._signer = Signer([])
        self.policy = policy
        self._resolve = resolve
        self._tls = tls
        self._timeout_s = timeout_s
        self._threads: ThreadPoolExecutor | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Load the secret and get ready to call.

        Raises:
            StartupError: there is no usable secret.
        """
        self._signer = self._load_signer()
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="webhook-dns")
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(self._resolve or self._look_up, self.policy),
            socket_factory=self._open_socket,
            ssl=self._tls or ssl.create_default_context(),
            limit=0,  # the receivers' limits are the loop's business
            force_close=True,  # an idle connection that breaks would cost a try
            use_dns_cache=False,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": "conveyor-webhook", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_MAX_ANSWER_BYTES,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Break off what is under way."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(
        self,
        url: CallbackUrl,
        body: bytes,
        *,
        message_id: str,
        trace: TraceContext | None = None,
    ) -> Answer:
        """Send one webhook, signed, and return what came of it; never raises for a receiver."""
        if self._session is None:
            return Answer(None, "the client is closed")
        signature = self._signer.headers(message_id, timestamp=int(time.time()), body=body)
        headers = {"Content-Type": "application/json", **signature}
        if trace is not None:
            headers |= trace.headers()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(
                    _exactly(url), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                answer = Answer(
                    response.status,
                    f"it answered with {response.status}",
                    read_retry_after(response.headers, now=time.time()),
                )
                await _read_a_little(response)
                return answer
        except TimeoutError:
            return Answer(None, "it did not answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Answer(None, f"the call failed: {type(exc).__name__}")

    async def _look_up(self, host: str) -> Sequence[str]:
        """Look a name up beside the loop, on threads of our own: a dead name server holds up none
        of the loop's others."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
        return [str(info[4][0]) for info in found]

    def _open_socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket of a connection; the last look at where it goes, also for a URL that
        names an address."""
        _check(str(info[4][0]), self.policy)
        made = socket.socket(info[0], info[1], info[2])
        made.setblocking(False)
        return made


class _CheckedResolver(AbstractResolver):
    """Returns the addresses of a name when all of them are allowed."""

    def __init__(self, resolve: Resolve, policy: CallbackPolicy) -> None:
        self._resolve = resolve
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of a name.

        Raises:
            OSError: there is none, or one of them is not called.
        """
        addresses = list(dict.fromkeys(await self._resolve(host)))
        if not addresses:
            raise OSError("the name has no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=_check(address, self._policy),
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _check(text: str, policy: CallbackPolicy) -> socket.AddressFamily:
    """Return the family of an address that may be called.

    Raises:
        OSError: it may not.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError as exc:
        raise OSError("it is no address") from exc
    if not is_allowed(address, allow_private=policy.allow_private):
        raise OSError("the address is not called")
    return socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4


def _exactly(url: CallbackUrl) -> URL:
    """Return the URL as it was checked: not one character is quoted again or decoded."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return URL(f"{url.scheme}://{host}:{url.port}{url.target}", encoded=True)


async def _read_a_little(response: aiohttp.ClientResponse) -> None:
    """Let an honest receiver finish its answer; whatever it says is thrown away."""
    left = _MAX_ANSWER_BYTES
    with contextlib.suppress(aiohttp.ClientError):
        while left > 0 and (chunk := await response.content.read(left)):
            left -= len(chunk)
