"""A client of the API without a library, so that a test sees what travels."""

import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from tests.kubernetes_api.access_rules import ADMINISTRATOR
from tests.kubernetes_api.certificates import authority
from tests.kubernetes_api.cluster import STEPS_NAMESPACE, Cluster
from tests.kubernetes_api.kinds import Document


class RawClient:
    """Asks as one account."""

    def __init__(
        self, cluster: Cluster, account: str = ADMINISTRATOR, *, timeout_s: float = 5.0
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority().configure_trust(context)
        self._http = httpx.Client(
            base_url=cluster.url,
            headers={"Authorization": f"Bearer {cluster.token(account)}"},
            verify=context,
            timeout=timeout_s,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Document | list[Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> tuple[int, Document]:
        """Return status and document."""
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        response = self._http.request(
            method, place(path), content=content, params=query, headers=headers
        )
        return response.status_code, response.json()

    def watch(self, path: str, query: Mapping[str, str]) -> Iterator[Document]:
        """Yield the events of a watch until it ends."""
        with self._http.stream("GET", place(path), params={"watch": "true", **query}) as response:
            for line in response.iter_lines():
                yield json.loads(line)


def place(path: str) -> str:
    """Return the whole address of ``configmaps/name`` in the namespace of the steps."""
    if path.startswith("/"):
        return path
    group = {
        "deployments": "apis/apps/v1",
        "endpointslices": "apis/discovery.k8s.io/v1",
    }.get(path.split("/", maxsplit=1)[0], "api/v1")
    return f"/{group}/namespaces/{STEPS_NAMESPACE}/{path}"
