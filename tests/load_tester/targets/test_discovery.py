"""Discovery, asked of a real HTTP server that stands in for that of a cluster."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from load_tester.errors import UnreachableError, UsageError
from load_tester.targets.discovery import discover
from tests.load_tester.targets.serving import serve_routes


def service(name: str, *, port: int | None, kind: str = "NodePort") -> dict[str, Any]:
    ports = [{"port": 5000, "nodePort": port}]
    return {"metadata": {"name": name}, "spec": {"type": kind, "ports": ports}}


def node(name: str, *, ready: bool = True, **addresses: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    listed = [{"type": kind, "address": address} for kind, address in addresses.items()]
    return {"metadata": {"name": name}, "status": {"conditions": conditions, "addresses": listed}}


SERVICES = [
    service("pipeline-b-step-0", port=30002),
    service("pipeline-a-step-0", port=30001),
    service("pipeline-a-step-1", port=30003),
    service("pipeline-c-step-0", port=None, kind="ClusterIP"),
]
NODES = [
    node("down", ready=False, ExternalIP="10.0.0.1"),
    node("up", Hostname="up", InternalIP="10.0.0.2"),
]


@asynccontextmanager
async def cluster(
    kubeconfig: Path,
    *,
    services: list[dict[str, Any]] | None = None,
    nodes: list[dict[str, Any]] | None = None,
    refuses: bool = False,
) -> AsyncIterator[list[str]]:
    """Serve the cluster's API, name it in the kubeconfig, and keep the paths asked for."""
    asked: list[str] = []

    def listing(items: list[dict[str, Any]]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            asked.append(request.path)
            if refuses or request.headers.get("Authorization") != "Bearer t0ken":
                return web.json_response({"kind": "Status"}, status=403)
            return web.json_response({"items": items})

        return answer

    routes = {
        "GET /api/v1/namespaces/{namespace}/services": listing(services or []),
        "GET /api/v1/nodes": listing(nodes or []),
    }
    async with serve_routes(routes) as url:
        write_kubeconfig(kubeconfig, url)
        yield asked


def write_kubeconfig(path: Path, url: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "t0ken"}}],
    }
    path.write_text(json.dumps(document))


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


async def ask(**choices: Any) -> tuple[str, ...]:
    asked = {"namespace": "default", "node_host": None} | choices
    return await asyncio.to_thread(lambda: discover(**asked))


async def test_the_first_steps_are_found_at_a_node_that_is_ready(kubeconfig: Path) -> None:
    async with cluster(kubeconfig, services=SERVICES, nodes=NODES) as asked:
        urls = await ask(namespace="vision")
    assert urls == ("http://10.0.0.2:30001", "http://10.0.0.2:30002")
    assert asked == ["/api/v1/namespaces/vision/services", "/api/v1/nodes"]


async def test_a_host_that_was_named_spares_the_question_for_nodes(kubeconfig: Path) -> None:
    async with cluster(kubeconfig, services=SERVICES) as asked:
        assert await ask(node_host="fe80::1") == (
            "http://[fe80::1]:30001",
            "http://[fe80::1]:30002",
        )
    assert len(asked) == 1


async def test_no_first_step_and_no_ready_node_are_told_as_such(kubeconfig: Path) -> None:
    async with cluster(kubeconfig, services=SERVICES[2:]):
        with pytest.raises(UsageError, match="no NodePort service ends in step-0 in the namespace"):
            await ask()
    async with cluster(kubeconfig, services=SERVICES, nodes=NODES[:1]):
        with pytest.raises(UsageError, match="no node of the cluster is ready"):
            await ask()


async def test_a_cluster_that_refuses_or_is_not_there_is_one_clear_line(kubeconfig: Path) -> None:
    async with cluster(kubeconfig, services=SERVICES, refuses=True):
        with pytest.raises(UnreachableError, match="refuses to list its services and nodes: 403"):
            await ask()
    write_kubeconfig(kubeconfig, "http://127.0.0.1:1")
    with pytest.raises(UnreachableError, match="the cluster does not answer") as caught:
        await ask()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "a: [", "[]", "apiVersion: v1\nkind: Config\n"])
def test_no_way_into_a_cluster_is_one_clear_line(kubeconfig: Path, content: str | None) -> None:
    if content is not None:
        kubeconfig.write_text(content)
    with pytest.raises(UsageError, match="--discover finds no way into a cluster") as caught:
        discover(namespace="default", node_host=None)
    assert "\n" not in str(caught.value)
