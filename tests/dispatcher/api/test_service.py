from dataclasses import dataclass, replace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.app import create_app
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check


async def test_a_process_that_answers_is_healthy_and_alive(
    http: httpx.AsyncClient, services: Services
) -> None:
    services.lifecycle.is_started = False
    services.lifecycle.is_draining = True
    assert check(await http.get("/health")).json() == {"status": "healthy"}
    assert check(await http.get("/livez")).json() == {"status": "alive"}


@dataclass
class SwitchedServer:
    """A server that is away for as long as there is a reason."""

    reason: str | None
    is_refusing: bool = False

    def refuses(self) -> bool:
        return self.is_refusing

    def unready(self) -> str | None:
        return self.reason

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""


async def test_it_is_ready_between_start_and_drain(
    http: httpx.AsyncClient, services: Services
) -> None:
    services.lifecycle.is_started = False
    starting = await http.get("/readyz")
    assert starting.status_code == 503
    assert starting.json() == {
        "status": "unready",
        "reasons": ["starting: no replica is ready yet"],
    }
    services.lifecycle.is_started = True
    ready = check(await http.get("/readyz"))
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})
    services.lifecycle.is_draining = True
    draining = await http.get("/readyz")
    assert (draining.status_code, draining.json()["reasons"]) == (503, ["draining"])


async def test_it_waits_for_its_servers_once_and_says_so(services: Services) -> None:
    server = SwitchedServer("Redis does not answer")
    shared = replace(services, servers=(server,))
    transport = httpx.ASGITransport(create_app(shared))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        starting = await http.get("/readyz")
        assert (starting.status_code, starting.json()["reasons"]) == (
            503,
            ["starting: Redis does not answer"],
        )
        server.reason = None
        assert (await http.get("/readyz")).json() == {"status": "ready", "reasons": []}
        server.reason = "Redis does not answer"
        degraded = await http.get("/readyz")
        assert degraded.status_code == 200, "results can still be read"
        assert degraded.json() == {"status": "degraded", "reasons": ["Redis does not answer"]}
        server.reason, server.is_refusing = "Redis refuses the credentials", True
        refused = await http.get("/readyz")
        assert refused.status_code == 503, "another dispatcher may be well"
        assert refused.json()["reasons"] == ["Redis refuses the credentials"]


async def test_the_metrics_are_prometheus_text(http: httpx.AsyncClient) -> None:
    response = check(await http.get("/metrics"))
    families = {family.name for family in text_string_to_metric_families(response.text)}
    assert "dispatcher_jobs" in families
