"""A running service, asked over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from dispatcher.api.queue_documents import PurgedDocument, QueueDocument, RequeuedDocument
from dispatcher.operations.target import NobodyThereError, OperationError, Order

T = TypeVar("T")
_TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_connect=5)
_REFUSED: Final = 400


class RemoteQueue:
    """A ``QueueTarget`` behind the API of a service."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @property
    def name(self) -> str:
        """Say what is spoken to."""
        return f"the service at {self._url}"

    @property
    def may_drain(self) -> bool:
        """Say that the service works meanwhile."""
        return True

    async def is_there(self) -> bool:
        """Say whether anybody listens there; what may be wrong otherwise is told later."""
        try:
            async with self._session.get(f"{self._url}/livez", allow_redirects=False):
                return True
        except aiohttp.ClientConnectorError:
            return False
        except (aiohttp.ClientError, TimeoutError):
            return True

    async def state(self) -> QueueDocument:
        """Return what waits, what is in work and what has failed."""
        return await self._ask("GET", "/queue", answer=QueueDocument)

    async def purge(self, order: Order) -> PurgedDocument:
        """Cancel jobs that wait, or drop failed ones."""
        return await self._ask("POST", "/queue/purge", answer=PurgedDocument, body=order)

    async def requeue(self, order: Order) -> RequeuedDocument:
        """Repeat failed jobs."""
        return await self._ask("POST", "/queue/requeue", answer=RequeuedDocument, body=order)

    async def _ask(
        self, method: str, path: str, *, answer: type[T], body: Mapping[str, Any] | None = None
    ) -> T:
        try:
            async with self._session.request(
                method, f"{self._url}{path}", json=body, allow_redirects=False
            ) as response:
                content = await response.read()
        except aiohttp.ClientConnectorError as exc:
            raise NobodyThereError(f"nobody answers at {self._url}") from exc
        except aiohttp.InvalidURL as exc:
            raise OperationError(f"{self._url} is no URL") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise OperationError(f"{self.name} does not answer: {str(exc) or 'too late'}") from exc
        if response.status >= _REFUSED:
            raise self._refusal(response, content)
        try:
            return msgspec.json.decode(content, type=answer)
        except msgspec.MsgspecError as exc:
            raise OperationError(f"{self.name} gives an answer that makes no sense") from exc

    def _refusal(self, response: aiohttp.ClientResponse, content: bytes) -> OperationError:
        """Return what a problem document says."""
        try:
            problem: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        except msgspec.MsgspecError:
            problem = {}
        code = str(problem.get("code", f"http_{response.status}"))
        detail = str(problem.get("detail", "this is no answer of Conveyor's."))
        detail = "".join(char for char in detail if char.isprintable())
        after = response.headers.get("Retry-After", "")
        return OperationError(
            detail, code=code, retry_after_s=float(after) if after.isdigit() else None
        )


@asynccontextmanager
async def remote_queue(url: str, *, api_key: str | None) -> AsyncIterator[RemoteQueue]:
    """Speak to a service until the end of the block; nothing is asked yet."""
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:
        yield RemoteQueue(session, url)
