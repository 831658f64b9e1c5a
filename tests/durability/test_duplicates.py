from pathlib import Path

import apsw
import httpx

from dispatcher.storage.writer import DATABASE_NAME
from tests.dispatcher.waiting import until
from tests.durability.checker import check, read_executions
from tests.durability.client_log import ClientLog, Order
from tests.durability.dispatcher_process import POOLS, DispatcherProcess, stage
from tests.durability.load import Clients
from tests.durability.receiver import receiving
from tests.end_to_end.service import wait_until

JOBS = 10
FLAGS = ("--queue", "sqlite", "--webhook-allow-http", "--webhook-allow-private")
AGAIN = """
    INSERT INTO queue (job_id, lane, priority, size_bytes, tenant, queued_at)
    SELECT id, 'oracle', 1, 0, tenant, 0 FROM jobs
"""


async def test_what_is_delivered_again_after_it_has_ended_changes_nothing(
    tmp_path: Path, seed: int
) -> None:
    log = ClientLog()
    async with receiving() as receiver:
        with stage(tmp_path, *FLAGS) as (dispatcher, fakes):
            start(dispatcher)
            orders = [
                Order(n, seed * 1000 + n, 3000, "oracle", {}, webhook_url=receiver.url)
                for n in range(JOBS)
            ]
            async with Clients(dispatcher.url, log) as clients:
                for order in orders:
                    await clients.follow(order)
                await until(lambda: count(dispatcher.data_dir, "deliveries") == 0)
                assert dispatcher.stop() == 0
                before = read_executions(fakes[0].log)
                cached = deliver_again(dispatcher.data_dir)
                start(dispatcher)
                wait_until(lambda: has_no_work(dispatcher))
                await clients.look_again()
                assert dispatcher.stop() == 0
            assert read_executions(fakes[0].log) == before
            assert check(log, before).findings() == []
            assert deliver_again(dispatcher.data_dir) == cached == JOBS
    assert {job_id: len(ids) for job_id, ids in receiver.webhook_ids.items()} == dict.fromkeys(
        log.accepted(), 1
    )


async def test_what_is_delivered_twice_at_once_ends_once(tmp_path: Path, seed: int) -> None:
    log = ClientLog()
    slow = ("--delay-s", "0.2", "--max-batch-size", "1")
    with stage(tmp_path, *FLAGS, options=slow) as (dispatcher, fakes):
        start(dispatcher)
        async with Clients(dispatcher.url, log) as clients:
            for number in range(JOBS):
                await clients.send(Order(number, seed * 1000 + number, 3000, "oracle", {}))
            dispatcher.kill()
            deliver_again(dispatcher.data_dir)
            start(dispatcher)
            await clients.look_again()
            wait_until(lambda: has_no_work(dispatcher))
            await clients.look_again()
        assert check(log, read_executions(fakes[0].log)).findings() == []


def start(dispatcher: DispatcherProcess) -> None:
    dispatcher.start()
    dispatcher.wait_ready(pools=POOLS)


def deliver_again(data_dir: Path) -> int:
    """Put every job into the queue once more; return how many results are cached."""
    database = apsw.Connection(str(data_dir / DATABASE_NAME))
    try:
        database.execute(AGAIN)
    finally:
        database.close()
    return count(data_dir, "cached")


def count(data_dir: Path, table: str) -> int:
    """Return how many rows a table has."""
    database = apsw.Connection(str(data_dir / DATABASE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = database.execute(f"SELECT count(*) FROM {table}").get
    finally:
        database.close()
    assert isinstance(rows, int)
    return rows


def has_no_work(dispatcher: DispatcherProcess) -> bool:
    return bool(httpx.get(f"{dispatcher.url}/status").json()["queue_size"] == 0)
