"""A dispatcher that is told to end leaves nobody waiting who relied on it."""

import asyncio
from pathlib import Path

from tests.cluster.crew import Addresses, crew
from tests.durability.client_log import ClientLog, Order
from tests.durability.load import Clients

FOLLOWERS = 5
DELAY_S = 6.0
"""The work takes so long that the dispatcher is gone before it ends; others look for jobs without
a place only half a minute after those were accepted."""


async def test_those_who_followed_where_a_dispatcher_ends_are_answered_with_their_leader(
    tmp_path: Path, addresses: Addresses, seed: int
) -> None:
    options = ("--delay-s", str(DELAY_S))
    with crew(tmp_path, addresses, apis=1, workers=1, options=options) as dispatchers:
        dispatchers.start()
        (api,), (worker,) = dispatchers.apis, dispatchers.workers
        async with Clients(api.url, ClientLog()) as clients:
            sent = [
                await clients.send(Order(number, seed, 8000, "oracle", {}))
                for number in range(1 + FOLLOWERS)
            ]
        accepted = [job_id for job_id in sent if job_id is not None]
        assert len(accepted) == 1 + FOLLOWERS
        assert await asyncio.to_thread(api.stop) == 0
        async with Clients(worker.url, ClientLog()) as clients:
            leader, *followers = accepted
            await clients.look(leader, wait_s=20)
            seen = [await clients.look(job_id, wait_s=5, until_ended=False) for job_id in followers]
    assert {sight.status for sight in seen} == {200}
