import asyncio

import pytest

from dispatcher.servers.room import Room
from dispatcher.servers.watch import AwayError


async def test_no_more_than_so_many_are_in_it_together() -> None:
    room = Room("Thing", calls=3, wait_s=10.0)
    inside = most = 0

    async def call() -> None:
        nonlocal inside, most
        async with room:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(call() for _ in range(20)))
    assert (inside, most) == (0, 3)


async def test_who_waits_too_long_is_told() -> None:
    room = Room("Thing", calls=1, wait_s=0.01)
    async with room:
        with pytest.raises(AwayError, match="too many calls to Thing are under way"):
            async with room:
                pytest.fail("there was no room")
    async with room:
        pass


async def test_who_stops_waiting_takes_no_room() -> None:
    room = Room("Thing", calls=1, wait_s=10.0)

    async def call() -> None:
        async with room:
            pass

    async with room:
        waiting = asyncio.create_task(call())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5):
        await call()
