"""The whole application over processes that are real but tiny."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from dispatcher.app import create_app
from dispatcher.pools.client import ReplicaClient
from dispatcher.settings import load_settings
from dispatcher.topology.admin import PipelineAdmin
from dispatcher.topology.discovery import follow_records
from dispatcher.topology.model_files import ModelFiles
from dispatcher.wiring import Services, build_services
from tests.dispatcher.api.contract import check
from tests.dispatcher.topology.workshop import WITHIN_S, Workshop
from tests.dispatcher.waiting import until

EXAMPLE = {
    "steps": [
        {"step_id": 0, "type": "upscaling", "params": {"scale": 2}, "next_step": 1},
        {"step_id": 1, "type": "classifier", "params": {}, "next_step": 2},
    ]
}
"""As reference system (a) documents it."""


@dataclass(frozen=True)
class Served:
    """An application that is served, and what is behind it."""

    http: httpx.AsyncClient
    services: Services
    workshop: Workshop


@asynccontextmanager
async def serving(folder: Path, client: ReplicaClient) -> AsyncIterator[Served]:
    """Serve the application, with discovery, until the end of the block."""
    workshop = Workshop(folder / "data" / "topology", client)
    settings = load_settings(["--data-dir", str(folder / "data"), "--max-local-replicas", "8"])
    built = build_services(settings)
    launcher = workshop.launcher()
    admin = PipelineAdmin(
        launcher,
        store=built.pipelines,
        model_files=ModelFiles(folder / "user-models"),
        max_replicas=settings.max_local_replicas,
        drain_timeout_s=5.0,
        is_draining=lambda: built.lifecycle.is_draining,
        work=built.queue,
    )
    services = replace(built, launcher=launcher, admin=admin)
    await launcher.start()
    following = asyncio.create_task(
        follow_records(built.discovery, pipelines=built.pipelines, pools=built.pools)
    )
    try:
        await until(built.pipelines.all)
        services.lifecycle.is_started = True
        transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield Served(http, services, workshop)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await built.pools.close()
        await workshop.close()


async def create(http: httpx.AsyncClient, document: object = EXAMPLE) -> dict[str, Any]:
    response = check(await http.post("/pipeline", json=document))
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def read(http: httpx.AsyncClient, name: str, *, state: str) -> dict[str, Any]:
    """A pipeline as soon as it is so."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            document: dict[str, Any] = check(await http.get(f"/pipeline/{name}")).json()
            if document["state"] == state:
                return document
            await asyncio.sleep(0.01)


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    problem = check(response).json()
    return response.status_code, problem["code"], problem["detail"]
