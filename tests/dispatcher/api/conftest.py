from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dispatcher.app import create_app
from dispatcher.settings import load_settings
from dispatcher.wiring import Services, build_services
from tests.dispatcher.records import make_pipeline


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """All services, with a pipeline, an open blob store and no replica."""
    flags = ["--queue-capacity", "3", "--replicas", "1", "--data-dir", str(tmp_path / "data")]
    built = build_services(load_settings(flags))
    built.pipelines.replace([make_pipeline()])
    built.lifecycle.is_started = True
    await built.blobs.start()
    yield built
    await built.blobs.close()


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application, without a socket in between."""
    transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened
