"""However the moves of several dispatchers fall: nothing is led twice, nothing is left behind."""

import random

from tests.dispatcher.queues.backlogs import open_backlog
from tests.dispatcher.queues.flying import Traffic

MOVES = 400
ROUNDS = 10
LONG_ROUNDS = 300


async def test_of_one_work_one_leads_at_a_time_and_every_accepted_job_ends_once(
    redis_url: str, seed: int, is_long: bool
) -> None:
    rng = random.Random(seed)
    async with open_backlog(redis_url) as one, open_backlog(redis_url) as two:
        for _ in range(LONG_ROUNDS if is_long else ROUNDS):
            traffic = Traffic([one, two], rng)
            for _ in range(MOVES):
                await traffic.move()
            await traffic.drain()

            assert set(traffic.ends.values()) == {1}
            found = await one.snapshot()
            assert found.tenants == {}, "nothing waits that nobody waits for"
