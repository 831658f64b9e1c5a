import asyncio
import time
from pathlib import Path

from tests.conftest import Tell
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog
from tests.durability.dispatcher_process import POOLS, DispatcherProcess, stage
from tests.durability.load import Clients, LoadPlan, under_load

GRACE_S = 30.0


async def test_no_request_fails_and_no_job_is_lost_when_the_dispatcher_is_restarted_under_load(
    tmp_path: Path, seed: int, is_long: bool, tell: Tell
) -> None:
    restarts = 100 if is_long else 3
    log = ClientLog()
    endings_s: list[float] = []
    options = ("--delay-s", "0.05")
    with stage(tmp_path, "--queue", "sqlite", options=options) as (dispatcher, fakes):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        async with Clients(dispatcher.url, log) as clients:
            async with under_load(clients, LoadPlan(seed=seed, rate_per_s=25)):
                for _ in range(restarts):
                    await asyncio.sleep(0.7)
                    endings_s.append(await asyncio.to_thread(stop, dispatcher))
                    dispatcher.start()
                    await asyncio.to_thread(dispatcher.wait_ready, pools=POOLS)
            await clients.look_again()
        verdict = check(log, read_executions(fakes[0].log))
    broken = [one.failure for one in log.tries if one.status is None and not one.was_refused]
    refused = sum(one.status == 503 for one in log.tries)
    tell(
        f"{restarts} restarts: {verdict.accepted} accepted, {refused} refused while it drained, "
        f"{len(broken)} connections broken; longest end {max(endings_s):.2f} s"
    )
    assert verdict.findings() == []
    assert verdict.accepted > 10 * restarts
    assert broken == []
    assert log.broken_polls == 0


def stop(dispatcher: DispatcherProcess) -> float:
    """End a dispatcher politely; return how long that took."""
    began = time.monotonic()
    assert dispatcher.stop() == 0, dispatcher.tail()
    took_s = time.monotonic() - began
    assert took_s < GRACE_S
    return took_s
