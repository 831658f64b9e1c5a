import statistics
from pathlib import Path

import pytest

from tests.conftest import Tell
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog
from tests.durability.dispatcher_process import POOLS, stage
from tests.durability.kills import kill_under_load
from tests.durability.load import Clients, LoadPlan


@pytest.mark.timeout(300)
async def test_nothing_accepted_is_lost_however_often_the_dispatcher_is_killed(
    tmp_path: Path, seed: int, is_long: bool, tell: Tell
) -> None:
    plan = LoadPlan(seed=seed, rate_per_s=100 if is_long else 80)
    kills, gap_s = (50, 10.0) if is_long else (10, 1.0)
    log = ClientLog()
    with stage(tmp_path, "--queue", "sqlite") as (dispatcher, fakes):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        async with Clients(dispatcher.url, log) as clients:
            report = await kill_under_load(dispatcher, clients, plan, kills=kills, gap_s=gap_s)
            dispatcher.kill()
            dispatcher.start()
            await clients.look_again()
        verdict = check(log, read_executions(fakes[0].log))
    back = sorted(report.back_after_s)
    tell(
        f"{kills} kills: {verdict.accepted} accepted, {log.unclear()} "
        f"tries without an answer; accepted again after {back[0]:.2f} to {back[-1]:.2f} s"
    )
    assert verdict.findings() == []
    assert verdict.accepted > 10 * kills
    assert len(back) >= kills / 2
    assert statistics.median(back) <= 5


async def test_the_checker_sees_what_a_queue_in_memory_loses(tmp_path: Path, seed: int) -> None:
    log = ClientLog()
    with stage(tmp_path, "--queue", "memory", options=("--delay-s", "0.3")) as (dispatcher, fakes):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        async with Clients(dispatcher.url, log) as clients:
            plan = LoadPlan(seed=seed, rate_per_s=100)
            await kill_under_load(dispatcher, clients, plan, kills=3, gap_s=1.0)
            await clients.look_again()
        verdict = check(log, read_executions(fakes[0].log))
    assert verdict.lost
    assert all(" 404 " in found for found in verdict.lost)
    assert not verdict.wrong
