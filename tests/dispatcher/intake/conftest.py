from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dispatcher.rooms import Rooms, durable_rooms


@pytest.fixture(params=["memory", "sqlite"])
async def rooms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rooms]:
    """Rooms that end with the process, and rooms that outlive it."""
    if request.param == "memory":
        yield Rooms()
        return
    async with durable_rooms(tmp_path) as rooms:
        yield rooms
