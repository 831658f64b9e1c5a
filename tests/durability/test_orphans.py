import asyncio
import time
from pathlib import Path

import httpx

from tests.conftest import Tell
from tests.durability.checker import read_executions
from tests.durability.client_log import ClientLog, Order
from tests.durability.dispatcher_process import POOLS, stage
from tests.durability.load import Clients
from tests.durability.oracle import noise
from tests.end_to_end.service import wait_until

ORPHANS = 500
FLAGS = ("--queue", "sqlite", "--queue-capacity", "1000")


async def test_jobs_in_work_when_the_dispatcher_is_killed_are_in_work_again_within_5_s(
    tmp_path: Path, seed: int, tell: Tell
) -> None:
    log = ClientLog()
    never = ("--delay-s", "3600", "--max-batch-size", "256")
    with stage(tmp_path, *FLAGS, options=never) as (dispatcher, _):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        async with Clients(dispatcher.url, log) as clients:
            orders = [Order(n, seed * 1000 + n, 3000, "oracle", {}) for n in range(ORPHANS)]
            await asyncio.gather(*(clients.send(order) for order in orders))
            assert len(log.accepted()) == ORPHANS
            await until_in_work(clients)
            killed_at = time.monotonic()
            dispatcher.kill()
            dispatcher.start()
            await until_in_work(clients)
            again_after_s = time.monotonic() - killed_at
    tell(f"{ORPHANS} jobs in work again {again_after_s:.2f} s after the kill")
    assert again_after_s <= 5


async def until_in_work(clients: Clients) -> None:
    """Return once every job has been taken off the queue: a dead process's leases are void."""
    idle = list(clients.log.accepted())
    async with asyncio.timeout(20):
        while idle:
            sights = await asyncio.gather(*(clients.look(i, until_ended=False) for i in idle))
            idle = [sight.job_id for sight in sights if sight.document["status"] != "processing"]


def test_a_job_whose_replica_is_killed_is_taken_up_by_another_within_a_second(
    tmp_path: Path, seed: int, tell: Tell
) -> None:
    with stage(tmp_path, *FLAGS, replicas=2, options=("--delay-s", "5")) as (dispatcher, fakes):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        response = httpx.post(
            f"{dispatcher.url}/predict_async",
            params={"pipeline": "oracle"},
            content=noise(seed, 3000),
            headers={"Content-Type": "image/png"},
        )
        assert response.status_code == 202, response.text
        wait_until(lambda: any(read_executions(fake.log) for fake in fakes), pause_s=0.005)
        first, second = sorted(fakes, key=lambda fake: not read_executions(fake.log))
        killed_at = time.time()
        first.kill()
        wait_until(lambda: read_executions(second.log), pause_s=0.005)
        again_after_s = read_executions(second.log)[0].at - killed_at
        document = httpx.get(
            f"{dispatcher.url}{response.json()['status_url']}", params={"wait": 20}, timeout=30
        ).json()
    tell(f"taken up by another replica {again_after_s:.3f} s after the kill")
    assert document["status"] == "completed"
    assert document["attempts"] == 2
    assert again_after_s <= 1
