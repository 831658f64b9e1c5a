"""The way to a cluster's API server: configuration, time limits, and errors that say what to do.

The official client's asyncio half does the work, so that a slow API server holds up nobody, a
caller that is cancelled is done at once, and no thread is left at the end.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import aiohttp
from kubernetes.aio.client import (
    ApiClient,
    ApiException,
    AppsV1Api,
    CoreV1Api,
    DiscoveryV1Api,
    PolicyV1Api,
)

from dispatcher.errors import StartupError
from dispatcher.topology.kubernetes.credentials import (
    Credentials,
    credentials_from,
    first_line,
)

T = TypeVar("T")

CALL_TIMEOUT_S: Final = 10.0
"""How long one call may take, from looking up the name to the last byte."""
_NO_ANSWER: Final = 0
_CONFLICT: Final = 409
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500
_MAX_MESSAGE: Final = 1_000
"""Characters of the API server's own words that are passed on."""
_UNSENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class ClusterError(OSError):
    """A call that the API server refused or did not answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = _NO_ANSWER,
        reason: str = "",
        retry_after_s: float | None = None,
        may_have_happened: bool = False,
    ) -> None:
        """Say what went wrong.

        Args:
            message: the API server's own words, or what happened to the connection.
            status: HTTP status; 0 when no answer came.
            reason: Kubernetes' word for it, such as Forbidden, AlreadyExists or Conflict.
            retry_after_s: how long the API server asks to wait, in seconds.
            may_have_happened: whether what was asked may have been done all the same.
        """
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.may_have_happened = may_have_happened

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, without anybody changing anything."""
        return self.status in (_NO_ANSWER, _TOO_MANY_REQUESTS) or self.status >= _SERVER_ERROR


class ClusterApi:
    """The API groups that are used, of one cluster; every call has a time limit."""

    core: CoreV1Api
    """ConfigMaps, Services, Pods, events; usable once started, like the others."""
    apps: AppsV1Api
    """Deployments and their scale."""
    discovery: DiscoveryV1Api
    """EndpointSlices."""
    policy: PolicyV1Api
    """PodDisruptionBudgets."""

    def __init__(
        self,
        *,
        namespace: str,
        kubeconfig: Path | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """Choose a cluster; nothing is read before the start.

        Args:
            namespace: where the steps' objects are.
            kubeconfig: the file that says which cluster and who one is; without it, the cluster
                that this process runs in, by its service account.
            credentials: what both comes from, in place of a kubeconfig.
        """
        self.namespace = namespace
        self._credentials = credentials or credentials_from(kubeconfig)
        self._client: ApiClient | None = None
        self._connector: aiohttp.TCPConnector | None = None

    async def start(self) -> None:
        """Read the configuration; no call is made yet.

        Raises:
            StartupError: it is missing or wrong.
        """
        configuration = await self._credentials.load()
        try:
            self._client = ApiClient(configuration)
        except (OSError, ValueError) as exc:  # such as a certificate that is none
            raise StartupError(f"{self._credentials.origin}: {first_line(exc)}") from exc
        self._connector = aiohttp.TCPConnector(
            ssl=self._client.rest_client.ssl_context,
            # Else a connection to a server that fell silent waits for its farewell.
            enable_cleanup_closed=True,
        )
        configuration.client_session_kwargs = {
            "connector": self._connector,
            # Proxies and credentials only as the configuration says.
            "trust_env": False,
        }
        self._client.user_agent = "conveyor-dispatcher"
        self.core = CoreV1Api(self._client)
        self.apps = AppsV1Api(self._client)
        self.discovery = DiscoveryV1Api(self._client)
        self.policy = PolicyV1Api(self._client)

    async def call(
        self,
        request: Callable[..., Awaitable[T]],
        /,
        *args: object,
        timeout_s: float = CALL_TIMEOUT_S,
        **kwargs: object,
    ) -> T:
        """Make one call, such as ``call(cluster.core.read_namespaced_service, name, namespace)``.

        Raises:
            ClusterError: it was refused, or not answered in time.
        """
        try:
            return await request(*args, _request_timeout=float(timeout_s), **kwargs)
        except ApiException as exc:
            if not exc.status:  # the client's own complaint about what it got
                raise _unreadable(exc.reason) from exc
            raise _refusal(exc.status, exc.body, exc.headers) from exc
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            raise _broken(exc, timeout_s=timeout_s) from exc
        except ValueError as exc:
            raise _unreadable(first_line(exc)) from exc

    async def open_stream(
        self,
        request: Callable[..., Awaitable[aiohttp.ClientResponse]],
        /,
        *,
        timeout_s: float,
        **kwargs: object,
    ) -> aiohttp.ClientResponse:
        """Make a call and return its answer unread; the caller closes it.

        Args:
            request: a method of an API group that ends in ``_without_preload_content``.
            timeout_s: how long all of it may take, the reading included, in seconds.
            kwargs: the request's own.

        Raises:
            ClusterError: it was refused, or its head did not come in time.
        """
        try:
            answer = await request(_request_timeout=float(timeout_s), **kwargs)
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            raise _broken(exc, timeout_s=timeout_s) from exc
        if answer.status >= 300:  # noqa: PLR2004 - what is no success
            try:
                body = await answer.text(errors="replace")
            except (TimeoutError, aiohttp.ClientError, OSError) as exc:
                raise _broken(exc, timeout_s=timeout_s) from exc
            finally:
                answer.close()
            raise _refusal(answer.status, body, answer.headers)
        return answer

    async def read(
        self,
        request: Callable[..., Awaitable[aiohttp.ClientResponse]],
        /,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        **kwargs: object,
    ) -> bytes:
        """Make a call of the same kind and return its whole answer.

        Raises:
            ClusterError: it was refused, or not answered in time.
        """
        answer = await self.open_stream(request, timeout_s=timeout_s, **kwargs)
        try:
            return await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            raise _broken(exc, timeout_s=timeout_s) from exc
        finally:
            answer.close()

    async def close(self) -> None:
        """Close all connections; calls that are still on the road fail."""
        if self._client is not None:
            await self._client.close()
        if self._connector is not None:
            await self._connector.close()


def _refusal(status: int, body: str | None, headers: Mapping[str, str] | None) -> ClusterError:
    """Return the error of an answer that is no success; a cluster's body is a Status object."""
    said = _read_status(body)
    return ClusterError(
        str(said.get("message") or f"the API server answered {status}")[:_MAX_MESSAGE],
        status=status,
        reason=str(said.get("reason") or ""),
        retry_after_s=_seconds((headers or {}).get("Retry-After")),
        # A gateway may answer for an API server that went on.
        may_have_happened=status >= _SERVER_ERROR,
    )


def _unreadable(what: str) -> ClusterError:
    """Return the error of an answer that is none of an API server."""
    return ClusterError(f"the answer cannot be read: {what}", may_have_happened=True)


def _read_status(body: str | None) -> Mapping[str, Any]:
    try:
        document = json.loads(body or "")
    except ValueError:
        return {}
    return cast(Mapping[str, Any], document) if isinstance(document, dict) else {}


def _broken(error: BaseException, *, timeout_s: float) -> ClusterError:
    """Return the error of a call that was not answered."""
    is_late = isinstance(error, TimeoutError)
    what = f"no answer within {timeout_s:g} s" if is_late else first_line(error)
    return ClusterError(
        f"the API server cannot be reached: {what}",
        may_have_happened=not isinstance(error, _UNSENT),
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
