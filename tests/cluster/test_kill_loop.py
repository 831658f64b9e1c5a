"""Two dispatchers accept and two work; one after the other is killed, again and again."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.cluster.crew import Addresses, Crew, crew
from tests.conftest import Tell
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog
from tests.durability.load import Clients, LoadPlan, under_load

ROUNDS = 20
"""Of a long run; a short one has fewer."""
_SHORT = 6


@pytest.mark.timeout(400)
async def test_nothing_accepted_is_lost_however_often_dispatchers_are_killed(
    tmp_path: Path, addresses: Addresses, seed: int, is_long: bool, tell: Tell
) -> None:
    plan = LoadPlan(seed=seed, rate_per_s=40 if is_long else 25)
    log, rounds = ClientLog(), ROUNDS if is_long else _SHORT
    with crew(tmp_path, addresses, options=("--delay-s", "0.05")) as dispatchers:
        dispatchers.start()
        async with Clients(dispatchers.urls, log) as clients:
            async with under_load(clients, plan, ends_within_s=100):
                gap_s = 5.0 if is_long else 1.0
                await _kill_in_turns(dispatchers, rounds=rounds, seed=seed, gap_s=gap_s)
                await asyncio.to_thread(dispatchers.wait_ready)
            await clients.look_again()
        verdict = check(log, read_executions(*dispatchers.logs))
    tell(
        f"{rounds} kills: {verdict.accepted} accepted, {log.unclear()} tries without an answer, "
        f"{sum(one.status == 503 for one in log.tries)} refused"
    )
    assert verdict.findings() == []
    assert verdict.accepted > 10 * rounds


async def _kill_in_turns(dispatchers: Crew, *, rounds: int, seed: int, gap_s: float) -> None:
    """Kill and restart a random one; sometimes two at once, of different roles."""
    dice = random.Random(seed)
    for number in range(rounds):
        await asyncio.sleep(dice.uniform(0, gap_s))
        victims = [dice.choice(dispatchers.everybody)]
        if number % 5 == 4:
            victims = [dice.choice(dispatchers.apis), dice.choice(dispatchers.workers)]
        for victim in victims:
            await asyncio.to_thread(dispatchers.restart, victim)
        # One that is killed again and again before it serves would prove little.
        for victim in victims[: number % 3]:
            await asyncio.to_thread(victim.wait_ready)
