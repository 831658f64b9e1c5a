import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.dispatcher.api.serving import Served, serving, write_keys


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the product runs on: how much it reads at once is its affair."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A service that asks for keys."""
    async with serving(tmp_path, keys=write_keys(tmp_path / "keys.json")) as started:
        yield started


@pytest.fixture
async def open_service(tmp_path: Path) -> AsyncIterator[Served]:
    """A service that asks for none."""
    async with serving(tmp_path) as started:
        yield started
