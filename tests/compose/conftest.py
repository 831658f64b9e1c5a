from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.compose.proxy import Fronted, Nginx, fronted
from tests.dispatcher.api.serving import write_keys
from tests.servers.fixtures import need
from tests.servers.processes import Guard


@pytest.fixture
async def front(guard: Guard, tmp_path: Path) -> AsyncIterator[Fronted]:
    """A dispatcher that asks for no keys, behind nginx."""
    need(Nginx.program)
    async with fronted(guard, tmp_path) as started:
        yield started


@pytest.fixture
async def locked_front(guard: Guard, tmp_path: Path) -> AsyncIterator[Fronted]:
    """A dispatcher that asks for keys, behind nginx."""
    need(Nginx.program)
    async with fronted(guard, tmp_path, write_keys(tmp_path / "keys.json")) as started:
        yield started
