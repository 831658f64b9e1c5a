"""Tells whoever takes jobs off the queue that a replica may have room again."""

import asyncio


class RoomSignal:
    """Wakes one waiting loop after any change of load or of the set of replicas."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Say that something changed."""
        self._changed.set()

    async def wait(self) -> None:
        """Wait for a change since the last call."""
        await self._changed.wait()
        self._changed.clear()
