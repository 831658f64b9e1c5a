"""A service that is stopped and started again while the page is open."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from tests.end_to_end.service import Service, running
from tests.ports import free_port


class Restartable:
    """A service that comes back on the same port and data."""

    def __init__(self, data_dir: Path, stack: ExitStack) -> None:
        self._flags = ("--port", str(free_port()), "--replicas", "1")
        self._data_dir = data_dir
        self._stack = stack

    async def start(self) -> Service:
        """Start it and return once it is ready."""
        started = running(self._data_dir, *self._flags)
        return await asyncio.to_thread(self._stack.enter_context, started)
