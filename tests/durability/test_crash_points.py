import asyncio
import random
import time
from pathlib import Path
from typing import Final, get_args

import pytest

from dispatcher.crash_points import CrashPoint
from tests.conftest import Tell
from tests.dispatcher.waiting import until
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog
from tests.durability.dispatcher_process import POOLS, DispatcherProcess, stage
from tests.durability.load import Clients, LoadPlan, under_load
from tests.durability.receiver import Receiver, receiving

POINTS: Final = get_args(CrashPoint)
KILLED: Final = 137
DIES_WITHIN_S: Final = 30.0
WEBHOOKS: Final = ("--webhook-allow-http", "--webhook-allow-private")


@pytest.mark.timeout(300)
async def test_nothing_accepted_is_lost_by_dying_at_any_named_moment(
    tmp_path: Path, seed: int, is_long: bool, tell: Tell
) -> None:
    log = ClientLog()
    dice = random.Random(seed)
    async with receiving() as receiver:
        with stage(tmp_path, "--queue", "sqlite", *WEBHOOKS) as (dispatcher, fakes):
            async with Clients(dispatcher.url, log) as clients:
                plan = LoadPlan(seed=seed, rate_per_s=30, webhook_url=receiver.url)
                for turn in range(5 if is_long else 1):
                    points = [f"{point}:{dice.randint(1, 4 + turn)}" for point in POINTS]
                    dice.shuffle(points)
                    lives_s = await die_at_each(points, dispatcher, clients, plan)
                    slowest = max(lives_s, key=lambda point: lives_s[point])
                    tell(f"died last of all after {lives_s[slowest]:.1f} s: {slowest}")
                await clients.look_again()
            await expect_webhooks(receiver, log)
            verdict = check(log, read_executions(fakes[0].log))
    told = sum(len(ids) for ids in receiver.webhook_ids.values())
    tell(
        f"{verdict.accepted} accepted, {sum(t.status == 503 for t in log.tries)} tries refused, "
        f"{log.unclear()} without an answer, {told} deliveries to the clients of "
        f"{len(receiver.webhook_ids)} jobs"
    )
    assert verdict.findings() == []
    assert verdict.accepted > 3 * len(POINTS)


async def die_at_each(
    points: list[str], dispatcher: DispatcherProcess, clients: Clients, plan: LoadPlan
) -> dict[str, float]:
    """Have one process after the other die at its point under load; leave one that works.

    Returns:
        How long each lived, in seconds.
    """
    lives_s: dict[str, float] = {}
    async with under_load(clients, plan):
        dispatcher.end()
        for point in points:
            dispatcher.start(crash_at=point)
            started_at = time.monotonic()
            await until(dispatcher.has_died, within_s=DIES_WITHIN_S)
            assert dispatcher.process is not None
            assert dispatcher.process.returncode == KILLED, (point, dispatcher.tail())
            lives_s[point] = time.monotonic() - started_at
        dispatcher.start()
        await asyncio.to_thread(dispatcher.wait_ready, pools=POOLS)
    return lives_s


async def expect_webhooks(receiver: Receiver, log: ClientLog) -> None:
    """Wait until everybody was told; nobody under two names."""
    await until(lambda: not receiver.missing(log), within_s=60)
    assert receiver.renamed() == []
